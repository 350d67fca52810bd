"""Started by its path: `python -I -S …/guard/__main__.py CONTROL_FD WORKER_FD PROGRAM ARGUMENT…`

It starts the program, waits, and does not end before every descendant of its own has.  As a subreaper it is the parent
of whatever the worker orphans, so when `waitpid` says there is no child, nothing is left anywhere.

On the control socket it is told `term` (SIGTERM to all of them) or `kill` (SIGKILL, until none is left); it says
`started PID`, and at last `ended STATUS LEFT`, with the status of waitpid and what SIGKILL did not end.  When the
socket closes, or the node's process is gone, it kills.  By path and without site-packages: it starts in 15 ms and
takes 9 MB.
"""

import os
import select
import signal
import sys
import time

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from guard.prctl import adopt_orphans, die_with_parent  # type: ignore[import-not-found]
from guard.tree import descendants, signal_all  # type: ignore[import-not-found]

GIVE_UP = 3.0
"""Seconds after the first SIGKILL.  What is still there then hangs in the system."""
ROUND = 0.01
"""Seconds between two rounds of killing: a dying process may just have forked."""
NODE_DIED = signal.SIGUSR1


class Guard:
    def __init__(self, control: int) -> None:
        self._control = control
        self._worker = 0
        self._status = 0
        self._killing_since: float | None = None
        self._poll = select.poll()

    def start(self, channel: int, program: list[str]) -> None:
        """Take our place in the system, then start the worker, which inherits `channel` and our output."""
        signals = _signal_pipe()
        self._poll.register(signals, select.POLLIN)
        self._poll.register(self._control, select.POLLIN)
        adopt_orphans()
        die_with_parent(NODE_DIED)
        os.set_inheritable(self._control, False)
        os.set_inheritable(channel, True)
        defaults = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]
        self._worker = os.posix_spawn(
            program[0], [*program, str(channel), str(os.getpid())], os.environ, setsigdef=defaults, setsigmask=()
        )
        os.close(channel)
        # Whoever reads the worker's output sees its end when the worker and its children are gone.
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        self._tell(b"started %d" % self._worker)

    def until_nothing_is_left(self) -> None:
        while self._reap():
            if self._killing_since is not None:
                if time.monotonic() > self._killing_since + GIVE_UP:
                    break
                signal_all(descendants(os.getpid()), signal.SIGKILL)
            self._wait()
        self._tell(b"ended %d %d" % (self._status, len(descendants(os.getpid()))))

    def _reap(self) -> bool:
        """Collect all that ended; whether any child is left.  The worker's end is everybody's."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._worker:
                self._status, self._worker = status, 0
                self._begin_to_kill()

    def _begin_to_kill(self) -> None:
        if self._killing_since is None:
            self._killing_since = time.monotonic()

    def _wait(self) -> None:
        timeout = None if self._killing_since is None else ROUND * 1000
        for fd, _ in self._poll.poll(timeout):
            if fd != self._control:
                if NODE_DIED in os.read(fd, 512):
                    self._begin_to_kill()
                continue
            message = _receive(fd)
            if message == b"term":
                signal_all(descendants(os.getpid()), signal.SIGTERM)
            else:
                if not message:
                    self._poll.unregister(fd)
                self._begin_to_kill()

    def _tell(self, message: bytes) -> None:
        try:  # noqa: SIM105 - contextlib is not loaded here, and need not be
            os.write(self._control, message)
        except OSError:
            pass  # nobody is left to listen


def _signal_pipe() -> int:
    """A descriptor that yields the number of each signal we receive; those that would end us are only noted."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, NODE_DIED, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return read_end


def _receive(fd: int) -> bytes:
    try:
        return os.read(fd, 64)
    except OSError:
        return b""


if __name__ == "__main__":
    guard = Guard(int(sys.argv[1]))
    guard.start(int(sys.argv[2]), sys.argv[3:])
    guard.until_nothing_is_left()
    os._exit(0)
