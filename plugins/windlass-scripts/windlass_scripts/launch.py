"""Starts the runner of one script by exec, with everything it needs in descriptors."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from windlass_scripts import runner
from windlass_scripts.runner.job import Job

_RUNNER = os.path.join(os.path.dirname(runner.__file__), "__main__.py")


STATUS_FD = 3
"""Where a script finds its end of the status pipe."""


class Gift(msgspec.Struct, frozen=True):
    """What the script finds at the descriptor `number`: to be read again and again, or (`once`) by one reader only.

    What is read once has at most 64 KiB: all of it waits in a pipe.
    """

    number: int
    content: bytes
    once: bool = False


class Launched(msgspec.Struct, frozen=True):
    """A runner, and our ends of its socket and of the script's pipes: non-blocking, and ours to close."""

    popen: subprocess.Popen[bytes]
    control: int
    stdout: int
    stderr: int
    status: int


def launch(name: str, job: Job, stdin: bytes, gifts: Sequence[Gift] = ()) -> Launched:
    """Start it; `name` is what a list of processes shows.  Raises OSError, leaving nothing, when the system is short.

    Call it on the event loop's own thread, never in a pool: the runner asks the system to be told when the *thread*
    that started it ends.  It takes about 1 ms; subprocess uses vfork, so our size and threads don't matter.
    """
    with ExitStack() as ours, ExitStack() as theirs:
        control, far_control = _pair(_socket_pair(), ours, theirs)
        stdout, far_stdout = _pair(os.pipe(), ours, theirs)
        stderr, far_stderr = _pair(os.pipe(), ours, theirs)
        status, far_status = _pair(os.pipe(), ours, theirs)
        job.descriptors = [(far_status, STATUS_FD), *((_wrapped(gift, theirs), gift.number) for gift in gifts)]
        job_fd = _memory_file("windlass-job", job.encode(), theirs)
        popen = subprocess.Popen(
            [sys.executable, "-I", "-S", _RUNNER, str(far_control), str(job_fd), name],
            stdin=_memory_file("windlass-stdin", stdin, theirs) if stdin else subprocess.DEVNULL,
            stdout=far_stdout,
            stderr=far_stderr,
            pass_fds=(far_control, job_fd, *(fd for fd, _ in job.descriptors)),
            env=_own_environment(),
            cwd="/",
            umask=0o077,
            start_new_session=True,
        )
        ours.pop_all()
    return Launched(popen, control, stdout, stderr, status)


def _socket_pair() -> tuple[int, int]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return near.detach(), far.detach()


def _pair(ends: tuple[int, int], ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    """The two ends, each with the stack that will close it, ours made non-blocking."""
    near, far = ends
    ours.callback(os.close, near)
    theirs.callback(os.close, far)
    os.set_blocking(near, False)
    return near, far


def _wrapped(gift: Gift, stack: ExitStack) -> int:
    if not gift.once:
        return _memory_file("windlass-gift", gift.content, stack)
    read_end, write_end = os.pipe()
    stack.callback(os.close, read_end)
    with open(write_end, "wb", buffering=0) as file:
        os.set_blocking(write_end, False)
        if file.write(gift.content) != len(gift.content):
            # A user with very many pipes gets small ones.
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
    return read_end


def _memory_file(name: str, data: bytes, stack: ExitStack) -> int:
    """A descriptor that yields `data`.  Unlike a pipe it can't fill up, whoever reads it or does not."""
    fd = os.memfd_create(name)
    stack.callback(os.close, fd)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _own_environment() -> dict[str, str]:
    """The runner is our program, not the task's: it gets nothing of the script's environment, which is in the job."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
