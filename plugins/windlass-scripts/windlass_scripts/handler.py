"""The kind ExecuteScript."""

from __future__ import annotations

import errno
import os
import uuid

from windlass import Context, Failed, Graces, Handler, Outcome, Rejected, Retry

from windlass_scripts.attempt import Attempt, Run
from windlass_scripts.command import Command, environment, plan
from windlass_scripts.confinement.host import Host
from windlass_scripts.outcome import how_it_ended, outcome_of
from windlass_scripts.payload import ExecuteScriptPayload
from windlass_scripts.process import SLACK, NotStarted
from windlass_scripts.runner.job import Job
from windlass_scripts.settings import ScriptsSettings
from windlass_scripts.sweep import MARKER
from windlass_scripts.title import one_line, title_of
from windlass_scripts.workspace import Workspace, workspace

_LINGER = 0.2
"""Seconds that processes a script leaves behind get to end by themselves, as `exec > >(tee log)` needs in bash."""

_NEVER_BETTER = {errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.ELOOP, errno.E2BIG, errno.EISDIR}


class ExecuteScript(Handler[ExecuteScriptPayload]):
    """Runs a script or program of the operating system; see `ExecuteScriptPayload` for what may be asked."""

    kind = "ExecuteScript"

    def __init__(self, settings: ScriptsSettings, host: Host | None = None) -> None:
        self._settings = settings
        self._host = host or Host(settings)
        # Asking works as long as the tree takes to kill, so the next rung must wait until that is over.
        self.graces = Graces(ask=settings.kill_grace + SLACK + 2, raise_=SLACK + 4)  # type: ignore[misc]

    def title(self, payload: ExecuteScriptPayload) -> str:
        return title_of(payload)

    async def run(self, ctx: Context, payload: ExecuteScriptPayload) -> Outcome:
        command = plan(payload, self._settings)
        if ctx.cancelled.is_set():
            return Failed("it was not started")
        await self._host.require(command.level)
        await ctx.stage("running")
        try:
            async with workspace(self._settings.directory) as place:
                run = await self._run_in(place, ctx, payload, command)
        except NotStarted as refusal:
            if refusal.step == "exec" and refusal.errno in _NEVER_BETTER:
                raise Rejected(f"{command.label} could not be started: {refusal}") from None
            return Retry(f"{command.label} could not be started: {refusal}")
        await _tell_the_end(ctx, run, place)
        return outcome_of(run, _about(payload))

    async def _run_in(self, place: Workspace, ctx: Context, payload: ExecuteScriptPayload, command: Command) -> Run:
        argv = [*command.program, *command.arguments]
        if payload.script is not None:
            argv.insert(len(command.program), place.script)
        marker = uuid.uuid4().hex
        variables = environment(payload, self._settings, os.environ, place.home) | {
            "WINDLASS_TASK_ID": str(ctx.task.id),
            "WINDLASS_ATTEMPT": str(ctx.task.attempt),
            MARKER: marker,
        }
        name = f"{ctx.task.id}-{ctx.task.attempt}-{marker}"
        confinement = self._host.plan(command.level, command.limits, place.root, name, payload.working_directory or "")
        job = Job(
            argv=[os.fsencode(argument) for argument in argv],
            environment={os.fsencode(name): os.fsencode(value) for name, value in variables.items()},
            cwd=os.fsencode(payload.working_directory or place.home),
            root=os.fsencode(place.root),
            script=(payload.script or "").encode(),
            grace_ms=round(self._settings.kill_grace * 1000),
            linger_ms=round(_LINGER * 1000),
            confinement=confinement.encode(),
        )
        attempt = Attempt(ctx, command, self._settings.kill_grace)
        return await attempt.run(job, (payload.stdin or "").encode(), marker)


async def _tell_the_end(ctx: Context, run: Run, place: Workspace) -> None:
    ending = run.ending
    if ending.survivors:
        await ctx.step(f"killed {_other_processes(ending.survivors)} of its tree", count=ending.survivors)
    if ending.left:
        await ctx.step(f"SIGKILL did not end {_other_processes(ending.left)}: the system holds on", count=ending.left)
    if ending.oom_kills:
        await ctx.step(f"the memory limit was reached: the system killed {_processes(ending.oom_kills)}")
    if ending.forks_refused:
        await ctx.step("the limit of processes was reached: starting more was refused", count=ending.forks_refused)
    if not place.removed:
        await ctx.step(f"could not remove all of {place.root}", directory=place.root)
    await ctx.step(f"{how_it_ended(ending)} after {ending.duration:.1f} s")


def _processes(count: int) -> str:
    return f"{count} process{'es' * (count > 1)}"


def _other_processes(count: int) -> str:
    return f"{count} other process{'es' * (count > 1)}"


def _about(payload: ExecuteScriptPayload) -> dict[str, object]:
    if payload.argv is None:
        return {"interpreter": payload.interpreter}
    return {"argv": [one_line(argument, 200) for argument in payload.argv[:50]]}
