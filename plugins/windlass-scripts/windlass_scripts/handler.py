"""The kind ExecuteScript."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Mapping

from windlass import Context, Failed, Graces, Handler, Outcome, Rejected, Retry

from windlass_scripts.attempt import Attempt, Run
from windlass_scripts.command import environment
from windlass_scripts.confinement.host import Host
from windlass_scripts.exits import Meaning, meaning_of
from windlass_scripts.outcome import how_it_ended, outcome_of
from windlass_scripts.payload import ExecuteScriptPayload
from windlass_scripts.preparation import Prepared, prepare
from windlass_scripts.process import SLACK, NotStarted
from windlass_scripts.runner.job import Job
from windlass_scripts.settings import ScriptsSettings
from windlass_scripts.sweep import MARKER
from windlass_scripts.title import title_of
from windlass_scripts.workspace import Workspace, workspace

_LINGER = 0.2
"""Seconds that processes a script leaves behind get to end by themselves, as `exec > >(tee log)` needs in bash."""

_MEANT = {"success": "a success", "retry": "a reason to try again", "failed": "a failure"}
_NEVER_BETTER = {errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.ELOOP, errno.E2BIG, errno.EISDIR}


class ExecuteScript(Handler[ExecuteScriptPayload]):
    """Runs a script or program of the operating system; see `ExecuteScriptPayload` for what may be asked."""

    kind = "ExecuteScript"

    def __init__(self, settings: ScriptsSettings, host: Host | None = None) -> None:
        self._settings = settings
        self._host = host or Host(settings)
        self.output_cap = settings.output_cap  # type: ignore[misc]
        # Asking works as long as the tree takes to kill, so the next rung must wait until that is over.
        self.graces = Graces(ask=settings.kill_grace + SLACK + 2, raise_=SLACK + 4)  # type: ignore[misc]

    def title(self, payload: ExecuteScriptPayload) -> str:
        return title_of(payload)

    async def run(self, ctx: Context, payload: ExecuteScriptPayload) -> Outcome:
        prepared = await prepare(ctx, payload, self._settings)
        label = prepared.command.label
        if ctx.cancelled.is_set():
            return Failed("it was not started")
        await self._host.require(prepared.command.level)
        await ctx.stage("running")
        try:
            async with workspace(self._settings.directory) as place:
                run = await self._run_in(place, ctx, prepared)
        except NotStarted as refusal:
            if refusal.step == "exec" and refusal.errno in _NEVER_BETTER:
                raise Rejected(f"{label} could not be started: {refusal}") from None
            return Retry(f"{label} could not be started: {refusal}")
        codes = prepared.payload.exit_codes
        await _tell_the_end(ctx, run, place, codes)
        return outcome_of(run, prepared.redaction.value(prepared.about), codes)

    async def _run_in(self, place: Workspace, ctx: Context, prepared: Prepared) -> Run:
        payload, command = prepared.payload, prepared.command
        argv = [*command.program, *command.arguments]
        if payload.script is not None:
            argv.insert(len(command.program), place.script)
        marker = uuid.uuid4().hex
        variables = (
            environment(payload, self._settings, os.environ, place.home)
            | prepared.variables
            | {
                "WINDLASS_TASK_ID": str(ctx.task.id),
                "WINDLASS_ATTEMPT": str(ctx.task.attempt),
                MARKER: marker,
            }
        )
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
        attempt = Attempt(ctx, prepared, self._settings)
        return await attempt.run(job, (payload.stdin or "").encode(), marker)


async def _tell_the_end(ctx: Context, run: Run, place: Workspace, codes: Mapping[str, Meaning]) -> None:
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
    if run.dropped_bytes:
        await ctx.step(f"kept the head and the tail of its output, {run.dropped_bytes:,} bytes between are dropped")
    meant = f", {_MEANT[meaning_of(ending.code, codes)]} by its exit_codes," if codes and ending.code else ""
    await ctx.step(f"{how_it_ended(ending)}{meant} after {ending.duration:.1f} s")


def _processes(count: int) -> str:
    return f"{count} process{'es' * (count > 1)}"


def _other_processes(count: int) -> str:
    return f"{count} other process{'es' * (count > 1)}"
