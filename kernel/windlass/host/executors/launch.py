"""Starts a guard, and through it a worker, by exec."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

GUARD = str(Path(__file__).parent / "guard" / "__main__.py")
PROGRAM = "windlass.host.executors.program"


class Launched(NamedTuple):
    """A guard, our ends of its socket and of the worker's, and of the worker's output: non-blocking, ours to close."""

    guard: subprocess.Popen[bytes]
    control: socket.socket
    channel: socket.socket
    stdout: int
    stderr: int


def launch() -> Launched:
    """Raises OSError, leaving nothing, when the system is short.

    Call it on the event loop's own thread: the guard asks the system to be told when the *thread* that started it
    ends.  subprocess uses vfork and exec, so the node's size and threads don't matter, and it takes 1 to 2 ms.
    """
    with ExitStack() as ours, ExitStack() as theirs:
        control, far_control = _sockets(socket.SOCK_SEQPACKET, ours, theirs)
        channel, far_channel = _sockets(socket.SOCK_STREAM, ours, theirs)
        stdout, far_stdout = _pipe(ours, theirs)
        stderr, far_stderr = _pipe(ours, theirs)
        worker = [sys.executable, "-P", "-u", "-m", PROGRAM]
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", GUARD, str(far_control.fileno()), str(far_channel.fileno()), *worker],
            stdin=subprocess.DEVNULL,
            stdout=far_stdout,
            stderr=far_stderr,
            pass_fds=(far_control.fileno(), far_channel.fileno()),
            start_new_session=True,
        )
        ours.pop_all()
    return Launched(guard, control, channel, stdout, stderr)


def _sockets(type_: int, ours: ExitStack, theirs: ExitStack) -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair(socket.AF_UNIX, type_)
    ours.callback(near.close)
    theirs.callback(far.close)
    near.setblocking(False)
    return near, far


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    near, far = os.pipe()
    ours.callback(os.close, near)
    theirs.callback(os.close, far)
    os.set_blocking(near, False)
    return near, far
