"""One attempt: starts the command, forwards what it says, and keeps its two limits, the clock and the interrupt."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
from windlass import Context

from windlass_scripts.confinement.levels import Level
from windlass_scripts.ending import Ending
from windlass_scripts.output import SLOW, Pump
from windlass_scripts.preparation import Prepared
from windlass_scripts.process import SLACK, Process, running
from windlass_scripts.runner.job import Job
from windlass_scripts.settings import ScriptsSettings
from windlass_scripts.status import Listener


class Run(msgspec.Struct, frozen=True):
    """What came of it.  `stopped` is why we ended the script ("interrupted", "timed out after …"), else empty."""

    ending: Ending
    stopped: str
    stdout_bytes: int
    stderr_bytes: int
    dropped_bytes: int
    last_error: str
    told: Any
    """The result that the script itself named, else UNSET."""
    confinement: Level = Level.BASIC


class Attempt:
    """Call `run` once."""

    def __init__(self, ctx: Context, prepared: Prepared, settings: ScriptsSettings) -> None:
        self._ctx = ctx
        self._prepared = prepared
        self._command = prepared.command
        self._kill_grace = settings.kill_grace
        self._output_cap = settings.output_cap
        self._stopped = ""

    async def run(self, job: Job, stdin: bytes, marker: str) -> Run:
        """Returns when no process is left.  Raises NotStarted, and whatever the context raises."""
        name = f"tasks/{self._ctx.task.id}/attempts/{self._ctx.task.attempt}"
        redaction = self._prepared.redaction
        listener = Listener(self._ctx, redaction)
        async with running(name, job, stdin, marker, self._prepared.gifts) as process:
            pumps = [
                Pump(process.stdout, partial(self._ctx.output, stream="stdout"), redaction.stream()),
                Pump(process.stderr, partial(self._ctx.output, stream="stderr"), redaction.stream()),
                Pump(process.status, listener.feed, pace=SLOW),
            ]
            try:
                async with asyncio.TaskGroup() as group:
                    ending = await self._follow(process, pumps, group)
            except ExceptionGroup as errors:
                # The kernel tells a superseded attempt from a bug by the exception itself, so it gets the first one.
                raise errors.exceptions[0] from None
        await listener.close()
        out, err, _ = pumps
        dropped = max(0, out.forwarded + err.forwarded - self._output_cap)
        level = self._command.level
        return Run(ending, self._stopped, out.total, err.total, dropped, err.last_line(), listener.result, level)

    async def _follow(self, process: Process, pumps: list[Pump], group: asyncio.TaskGroup) -> Ending:
        """The limits are kept by a task of their own: a store that lags behind our output must not delay a kill."""
        guard = group.create_task(self._keep_limits(process, group))
        pid = await process.started()
        for pump in pumps:
            group.create_task(pump.run())
        if pid:
            level = self._command.level.value
            await self._ctx.step(
                f"started {self._command.described} (pid {pid}){self._held}", pid=pid, confinement=level
            )
        ending = await process.ended()
        guard.cancel()
        for pump in pumps:
            pump.finish()
        return ending

    @property
    def _held(self) -> str:
        command = self._command
        return "" if command.level is Level.BASIC else f", {command.level.value}: {command.limits.described}"

    async def _keep_limits(self, process: Process, group: asyncio.TaskGroup) -> None:
        self._stopped = await self._reason_to_stop()
        process.stop()
        group.create_task(
            self._ctx.step(f"{self._stopped}: SIGTERM to every process, SIGKILL {self._kill_grace:g} s later")
        )
        await asyncio.sleep(self._kill_grace + SLACK)
        process.force()

    async def _reason_to_stop(self) -> str:
        try:
            async with asyncio.timeout(self._command.timeout):
                await self._ctx.cancelled.wait()
        except TimeoutError:
            return f"timed out after {self._command.timeout:g} s"
        return "interrupted"
