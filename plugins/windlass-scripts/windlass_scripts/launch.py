"""Starts the runner of one script by exec, with everything it needs in descriptors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack

import msgspec

from windlass_scripts import runner
from windlass_scripts.runner.job import Job

_RUNNER = os.path.join(os.path.dirname(runner.__file__), "__main__.py")


class Launched(msgspec.Struct, frozen=True):
    """A runner, and our ends of its socket and of the script's two pipes: non-blocking, and ours to close."""

    popen: subprocess.Popen[bytes]
    control: int
    stdout: int
    stderr: int


def launch(name: str, job: Job, stdin: bytes) -> Launched:
    """Start it; `name` is what a list of processes shows.  Raises OSError, leaving nothing, when the system is short.

    Call it on the event loop's own thread, never in a pool: the runner asks the system to be told when the *thread*
    that started it ends.  It takes about 1 ms; subprocess uses vfork, so our size and threads don't matter.
    """
    with ExitStack() as ours, ExitStack() as theirs:
        control, far_control = _pair(_socket_pair(), ours, theirs)
        stdout, far_stdout = _pair(os.pipe(), ours, theirs)
        stderr, far_stderr = _pair(os.pipe(), ours, theirs)
        job_fd = _memory_file("windlass-job", job.encode(), theirs)
        popen = subprocess.Popen(
            [sys.executable, "-I", "-S", _RUNNER, str(far_control), str(job_fd), name],
            stdin=_memory_file("windlass-stdin", stdin, theirs) if stdin else subprocess.DEVNULL,
            stdout=far_stdout,
            stderr=far_stderr,
            pass_fds=(far_control, job_fd),
            env=_own_environment(),
            cwd="/",
            umask=0o077,
            start_new_session=True,
        )
        ours.pop_all()
    return Launched(popen, control, stdout, stderr)


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
