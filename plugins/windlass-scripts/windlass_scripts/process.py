"""One running script as the kernel sees it: a runner to talk to, and a promise that nothing of it remains."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from windlass_scripts.ending import Ending, parse_ending
from windlass_scripts.launch import Gift, Launched, launch
from windlass_scripts.persist import persist
from windlass_scripts.runner.job import Job
from windlass_scripts.runner.plan import Group, Plan
from windlass_scripts.runner.supervise import GIVE_UP
from windlass_scripts.sweep import sweep
from windlass_scripts.wakeable import Wakeable

SLACK = GIVE_UP + 1.0
"""Seconds a healthy runner needs at most, once it kills, to report; afterwards it is taken for stuck."""


class NotStarted(Exception):
    """The system refused to start the program: `step` (runner, workspace, cgroup, exec, …) and why.

    The reason is an `errno`, or for a sandbox the words of its program.
    """

    def __init__(self, step: str, errno: int, reason: str = "") -> None:
        super().__init__(f"{step}: {reason or os.strerror(errno)}")
        self.step = step
        self.errno = errno


class Process:
    """Call `started` once, then `ended` once; `stop` and `force` at any time."""

    def __init__(self, launched: Launched, marker: str, groups: list[Group]) -> None:
        self.stdout = launched.stdout
        self.stderr = launched.stderr
        self.status = launched.status
        self._popen = launched.popen
        self._control = Wakeable(launched.control)
        self._marker = marker
        self._groups = groups
        self._pid = 0
        self._over = False

    async def started(self) -> int:
        """The script's pid, once it runs.  Raises NotStarted.  0 when the runner was lost, which `ended` tells."""
        message = await self._message()
        if message.startswith(b"failed "):
            self._over = True
            _, step, number, reason = message.split(b" ", 3)
            raise NotStarted(step.decode(), int(number), reason.decode(errors="replace"))
        self._note_start(message)
        return self._pid

    async def ended(self) -> Ending:
        """How it ended, once no process of it is left (but for `Ending.left`)."""
        message = await self._message()
        if message.startswith(b"started "):  # nobody waited for it
            self._note_start(message)
            message = await self._message()
        ending = parse_ending(message) if message else await self._sweep()
        self._over = True
        return ending

    def stop(self) -> None:
        """SIGTERM to the whole tree, SIGKILL after the job's grace."""
        self._tell(b"stop")

    def force(self) -> None:
        """For a runner that does not answer (a script can stop or starve it): end it, and have `ended` sweep up."""
        self._popen.kill()

    async def destroy(self) -> None:
        """Whatever the state: kill everything, wait until it has gone, give all descriptors back."""
        try:
            if not self._over:
                await self._kill()
            while await self._message():  # it removes the private directory, then goes
                pass
        finally:
            for fd in (self._control.fd, self.stdout, self.stderr, self.status):
                os.close(fd)
            # Its descriptors are closed, it is just going: too short a time to arm a watcher for.
            while self._popen.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def _kill(self) -> None:
        self._tell(b"kill")
        late = asyncio.get_running_loop().call_later(SLACK, self.force)
        try:
            await self.ended()
        finally:
            late.cancel()

    async def _sweep(self) -> Ending:
        killed, left = await asyncio.to_thread(sweep, self._marker, self._pid, self._groups)
        return Ending(survivors=killed, left=left)

    def _note_start(self, message: bytes) -> None:
        self._pid = int(message.split()[1]) if message else 0

    def _tell(self, message: bytes) -> None:
        with suppress(OSError):  # it has ended by itself
            os.write(self._control.fd, message)

    async def _message(self) -> bytes:
        """The runner's next message; empty when it is gone."""
        while True:
            try:
                return os.read(self._control.fd, 4096)
            except BlockingIOError:
                await self._control.readable()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def running(name: str, job: Job, stdin: bytes, marker: str, gifts: Sequence[Gift] = ()) -> AsyncIterator[Process]:
    """A process that is certain to be gone, with all its descendants, when the block is left.  Raises NotStarted."""
    try:
        groups = Plan.decode(job.confinement).groups
        process = Process(launch(name, job, stdin, gifts), marker, groups)
    except OSError as error:
        raise NotStarted("runner", error.errno or 0) from error
    try:
        yield process
    finally:
        await persist(process.destroy())
