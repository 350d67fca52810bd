"""Runs `windlass` as a process, as people and programs do: with pipes, or on a terminal of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

WITHIN_S = 40


@dataclass
class Ended:
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def errors(self) -> str:
        return self.err.decode()


class CommandLine:
    """`environ` is what every command of a test gets on top of the environment."""

    def __init__(self, **environ: str) -> None:
        self.environ = environ
        self._started: list[asyncio.subprocess.Process | Terminal] = []

    def end_the_rest(self) -> None:
        """What a failed test has left running."""
        for process in self._started:
            if process.returncode is None:
                process.kill()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
        return kept | {"TZ": "UTC", "TERM": "xterm-256color", **self.environ}

    async def start(self, *arguments: str, stdin: int = asyncio.subprocess.DEVNULL) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "windlass_cli", *arguments),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment(),
        )
        self._started.append(process)
        return process

    async def run(self, *arguments: str, stdin: bytes | None = None, within: float = WITHIN_S) -> Ended:
        """With pipes; it has to end by itself."""
        source = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
        process = await self.start(*arguments, stdin=source)
        try:
            async with asyncio.timeout(within):
                out, err = await process.communicate(stdin)
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise AssertionError(f"did not end: {out[-2000:]!r} {err[-2000:]!r}") from None
        assert process.returncode is not None
        return Ended(process.returncode, out, err)

    async def on_a_terminal(self, *arguments: str, columns: int = 120) -> Terminal:
        terminal = await asyncio.to_thread(Terminal, arguments, self.environment(), columns)
        self._started.append(terminal)
        return terminal


class Terminal:
    """A command on a terminal of its own; `shown` is all it has written so far."""

    def __init__(self, arguments: tuple[str, ...], environ: dict[str, str], columns: int) -> None:
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._ours = ours
        self.shown = b""
        self.returncode: int | None = None
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "windlass_cli", *arguments],
            environ,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs, 0),
                (os.POSIX_SPAWN_DUP2, theirs, 1),
                (os.POSIX_SPAWN_DUP2, theirs, 2),
                (os.POSIX_SPAWN_CLOSE, ours),
            ],
        )
        os.close(theirs)

    async def until(self, true: Callable[[bytes], bool], within: float = WITHIN_S) -> None:
        """Reads until what was written fulfils this."""
        deadline = time.monotonic() + within
        while not true(self.shown):
            assert time.monotonic() < deadline, self.shown[-2000:]
            assert await self._read(), self.shown[-2000:]

    async def ended(self) -> int:
        """Reads to the end; the exit code."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while await self._read():
                    pass
        except TimeoutError:
            self.kill()
            raise AssertionError(f"did not end: {self.shown[-2000:]!r}") from None
        _, status = await asyncio.to_thread(os.waitpid, self.pid, 0)
        os.close(self._ours)
        self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.returncode = -signal.SIGKILL

    def type(self, keys: bytes) -> None:
        """What somebody who sits there types."""
        os.write(self._ours, keys)

    def press_ctrl_c(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    @property
    def plain(self) -> str:
        """What was written, without the colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown.decode("utf-8", "replace")).replace("\r\n", "\n")

    async def _read(self) -> bool:
        """False at the end: the last holder of the terminal has closed it."""
        with contextlib.suppress(OSError):
            data = await asyncio.to_thread(os.read, self._ours, 65536)
            self.shown += data
            return bool(data)
        return False


def plugin(folder: Path, name: str, module: str, entry_points: dict[str, str]) -> None:
    """A distribution of a stranger, as an installer would leave it in `folder`, with commands for `windlass`."""
    (folder / f"{name}.py").write_text(module)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{command} = {name}:{target}" for command, target in entry_points.items())
    (info / "entry_points.txt").write_text(f"[windlass.commands]\n{lines}\n")
