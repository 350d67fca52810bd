"""One worker process as the node sees it: somebody to talk to, and a promise that nothing of it remains."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import msgspec
import structlog

from windlass import telemetry
from windlass.errors import AttemptSuperseded
from windlass.handler import Context
from windlass.host.executors import wire
from windlass.host.executors.errands import Errands
from windlass.host.executors.guard.tree import descendants, signal_all
from windlass.host.executors.launch import Launched, launch
from windlass.host.executors.tap import Tap

log = structlog.get_logger()

START_SECONDS = 60.0
KILL_SECONDS = 4.0
"""What a healthy guard needs at most to kill all there is and report; then it is taken for stopped, and bypassed."""


class NotStarted(Exception):
    """No worker can be had: the message says why."""


class Ending(NamedTuple):
    """`status` as waitpid gives it, None when the guard itself was killed; `left`: processes SIGKILL did not end."""

    status: int | None
    left: int = 0

    def __str__(self) -> str:
        if self.status is None:
            return "the worker process and its guard were killed from outside"
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            name = signal.Signals(number).name if number in signal.valid_signals() else str(number)
            hint = " (not by us: the system does so when memory runs out)" if number == signal.SIGKILL else ""
            return f"the worker process was killed by {name}{hint}"
        return f"the worker process exited with code {os.WEXITSTATUS(self.status)}"


class Worker:
    """`start` it; give it one task at a time; `destroy` it.  Its frames are read by one caller at a time."""

    def __init__(self, launched: Launched) -> None:
        self.pid = 0
        self.begun = False
        self.raised = False
        self.killed = False
        self.garbled = False
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._launched = launched
        self._taps = (Tap(launched.stdout, "stdout"), Tap(launched.stderr, "stderr"))
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._size: int | None = None
        self._alarm: asyncio.TimerHandle | None = None
        asyncio.get_running_loop().add_reader(launched.control.fileno(), self._hear_guard)

    @classmethod
    def launch(cls) -> Worker:
        """Raises `NotStarted`."""
        try:
            return cls(launch())
        except OSError as error:
            raise NotStarted(str(error)) from error

    async def boot(self, recipe: wire.Recipe) -> None:
        """Have it load the plugins.  Raises `NotStarted`."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._launched.channel)
        self.send(wire.Boot(recipe, sys.path))
        try:
            async with asyncio.timeout(START_SECONDS):
                answer = await self._receive()
        except TimeoutError:
            raise NotStarted(f"it took longer than {START_SECONDS:g} s to load the plugins") from None
        if answer is None:
            raise NotStarted(f"{await self.ended}; {self._taps[1].last_line()}")
        if isinstance(answer, wire.Ready) and answer.broken:
            raise NotStarted(answer.broken)

    def send(self, message: wire.FromNode) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(wire.frame(message))

    def ask(self) -> None:
        self.send(wire.Ask())

    def raise_in_it(self) -> None:
        self.raised = True
        self.send(wire.Raise())

    def terminate(self) -> None:
        """SIGTERM to every process of the tree."""
        self.killed = True
        self._tell_guard(b"term")

    def kill(self) -> None:
        """SIGKILL to every process of the tree, until none is left."""
        self.killed = True
        self._tell_guard(b"kill")
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(KILL_SECONDS, self._bypass_guard)

    async def listen(self, ctx: Context, errands: Errands) -> wire.Done | None:
        """Pass its words on, and have its questions answered, until it is done; None when it died."""
        while (message := await self._receive()) is not None:
            match message:
                case wire.Done():
                    return message
                case wire.Begun():
                    self.begun = True
                case wire.Ready():
                    pass
                case wire.Enter() | wire.Check() | wire.Make() | wire.Get() | wire.Put() | wire.List() | wire.Delete():
                    errands.begin(message)
                case wire.Leave():
                    await errands.leave(message.lane)
                case word:
                    with suppress(AttemptSuperseded):
                        await _say(ctx, word)
        return None

    @asynccontextmanager
    async def output_to(self, ctx: Context) -> AsyncIterator[None]:
        """Its standard output and error are this task's; when the block is left, all that was written has been said."""
        for tap in self._taps:
            tap.forget()
        following = [asyncio.create_task(tap.follow(ctx.output)) for tap in self._taps]
        try:
            yield
        finally:
            for tap in self._taps:
                tap.finish()
            await asyncio.gather(*following)

    async def destroy(self) -> None:
        """Whatever the state: end it with all it started, and give every descriptor back."""
        if not self.ended.done():
            self.kill()
        await asyncio.wait((self.ended,))
        if left := self.ended.result().left:
            log.error("SIGKILL did not end what a worker started: the system holds on", worker=self.pid, processes=left)
        if self._alarm is not None:
            self._alarm.cancel()
        asyncio.get_running_loop().remove_reader(self._launched.control.fileno())
        self._launched.control.close()
        for tap in self._taps:
            tap.close()
        if self._writer is None:
            self._launched.channel.close()
        else:
            self._writer.close()
        # It reported and is just going: too short a time to arm a watcher for.
        while self._launched.guard.poll() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def _receive(self) -> wire.FromWorker | None:
        assert self._reader is not None
        try:
            # Kept beside the call, which may be cancelled between the two reads and made again.
            if self._size is None:
                self._size = wire.size_of(await self._reader.readexactly(wire.HEAD.size))
            body = await self._reader.readexactly(self._size)
            self._size = None
            message: wire.FromWorker = wire.from_worker.decode(body)
        except (OSError, EOFError):
            return None
        except (ValueError, msgspec.DecodeError):
            # The handler wrote to our socket, or something of that kind.
            self.garbled = True
            self._tell_guard(b"kill")
            return None
        return message

    def _hear_guard(self) -> None:
        try:
            message = self._launched.control.recv(64)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        match message.split():
            case [b"started", pid]:
                self.pid = int(pid)
            case [b"ended", status, left]:
                self._settle(Ending(int(status), int(left)))
            case _:
                asyncio.get_running_loop().remove_reader(self._launched.control.fileno())
                self._settle(Ending(None))

    def _settle(self, ending: Ending) -> None:
        if not self.ended.done():
            self.ended.set_result(ending)

    def _tell_guard(self, message: bytes) -> None:
        with suppress(OSError):
            self._launched.control.send(message)

    def _bypass_guard(self) -> None:
        # Somebody stopped it.  The worker dies with it; what that has started we find ourselves.
        signal_all(descendants(self._launched.guard.pid), signal.SIGKILL)
        self._launched.guard.kill()


async def _say(ctx: Context, word: wire.Word) -> None:
    match word:
        case wire.Traced():
            if telemetry.spans is not None:
                telemetry.spans.replay(word.span)
        case wire.Stage():
            await ctx.stage(word.name)
        case wire.Progress():
            await ctx.progress(word.current, word.total)
        case wire.Step():
            await ctx.step(word.text, **(msgspec.json.decode(word.data) if word.data else {}))
        case wire.Output():
            await ctx.output(word.data, word.stream)
