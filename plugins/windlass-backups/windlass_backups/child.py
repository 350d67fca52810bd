"""A program of PostgreSQL's while it runs: in a session of its own, so that it ends with all it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from windlass import BlockingContext

from windlass_backups.login import Login

_POLITE = 2.0
"""Seconds for SIGTERM: pg_dump uses them to have the server stop as well."""


class Child:
    """What it writes to standard error becomes the task's output, passwords hidden."""

    def __init__(self, popen: subprocess.Popen[bytes], ctx: BlockingContext, login: Login) -> None:
        self._popen = popen
        self._ctx = ctx
        self._login = login
        self.complaints: list[str] = []
        """Its last lines, oldest first."""
        self._listening = threading.Thread(target=self._listen, name="stderr", daemon=True)
        self._listening.start()

    @property
    def stdout(self) -> IO[bytes]:
        assert self._popen.stdout is not None
        return self._popen.stdout

    @property
    def stdin(self) -> IO[bytes]:
        assert self._popen.stdin is not None
        return self._popen.stdin

    def wait(self) -> str:
        """Until it has ended; how it failed, in a word or two, or nothing."""
        code = self._popen.wait()
        self._listening.join()
        if code == 0:
            return ""
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
        return f"{how}: {self.complaints[-1]}" if self.complaints else how

    def end(self) -> None:
        """Politely at first, then not.  It is gone afterwards.  May be called from another thread."""
        self._signal(signal.SIGTERM)
        try:
            self._popen.wait(_POLITE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._popen.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)

    def _listen(self) -> None:
        assert self._popen.stderr is not None
        for line in self._popen.stderr:
            text = self._login.hide(line.decode(errors="replace").rstrip())
            self._ctx.output(f"{text}\n".encode(), "stderr")
            self.complaints = [*self.complaints[-99:], text]


@contextmanager
def running(ctx: BlockingContext, command: Sequence[str], login: Login, *, feeds: bool = False) -> Iterator[Child]:
    """The program, with a pipe from its output, or into its input (`feeds`).  It has ended when the block is left."""
    popen = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if feeds else subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(login.environment),
        cwd="/",
        umask=0o077,
        start_new_session=True,
    )
    child = Child(popen, ctx, login)
    try:
        yield child
    finally:
        child.end()
        child.wait()
        for pipe in (popen.stdin, popen.stdout, popen.stderr):
            if pipe is not None:
                with suppress(OSError):  # what could not be written any more
                    pipe.close()
