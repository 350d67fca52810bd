"""Keeps one server running: starts it, waits until it serves, starts it again when it dies, stops it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from windlass.embedded.bounded_log import BoundedLog
from windlass.embedded.errors import EmbeddedError
from windlass.embedded.identity import Identity
from windlass.embedded.program import Program, launch

POLL = 0.005  # s
SHORTEST_PAUSE = 0.05  # s before the first restart, doubled after each that did not last
LONGEST_PAUSE = 10.0
LASTED = 30.0  # s of life after which a death counts as the first again

log = logging.getLogger(__name__)


class KeptServer:
    def __init__(self, program: Program, identity: Identity, output: BoundedLog) -> None:
        self.serving = asyncio.Event()
        self._program = program
        self._identity = identity
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self._following: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it serves, and keeps it from then on. Raises EmbeddedError if it ends before that."""
        await self._bring_up()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self._program.name}")

    async def stop(self) -> None:
        """Ends it, at any moment of its life: signal after signal, as its program says."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        process = self._process
        for signal, patience in self._program.stop_signals:
            if process is None or process.returncode is not None:
                return
            with suppress(ProcessLookupError):
                process.send_signal(signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)

    async def _bring_up(self) -> None:
        self._process = process = await launch(self._program, self._identity)
        assert process.stdout is not None
        self._following = asyncio.create_task(self._output.follow(process.stdout))
        while not await self._program.answers():
            if process.returncode is not None:
                await asyncio.wait([self._following], timeout=1.0)  # its last words may still be on their way
                raise EmbeddedError(
                    f"{self._program.name} ended while starting: {self._output.last_words()} "
                    f"(all of it: {self._output.path})"
                )
            await asyncio.sleep(POLL)
        log.info("%s serves, process %d", self._program.name, process.pid)
        self.serving.set()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        pause, born = SHORTEST_PAUSE, clock()
        while True:
            assert self._process is not None
            code = await self._process.wait()
            self.serving.clear()
            pause = SHORTEST_PAUSE if clock() - born > LASTED else pause
            log.warning("%s ended by itself (%d); starting it again in %.2f s", self._program.name, code, pause)
            await asyncio.sleep(pause)
            pause, born = min(pause * 2, LONGEST_PAUSE), clock()
            try:
                await self._bring_up()
            except (EmbeddedError, OSError) as error:
                log.error("%s", error)  # the message is whole; a stack would add nothing
