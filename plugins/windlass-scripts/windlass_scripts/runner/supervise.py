"""Watches over one script: waits, passes on a stop, and does not end before the whole tree has.

As the subreaper we are the parent of whatever the script orphans.  That gives a proof nobody else has: when `waitpid`
says we have no child, no descendant is left anywhere, since each of them hangs from some child of ours.  A script
that leaves nothing behind costs not a single look into /proc.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import time

from .groups import complaints, kill_groups, make_groups, remove_groups
from .job import Job, read_job
from .place import make_place, remove_place
from .plan import Plan
from .prctl import adopt_orphans, die_with_parent, refuse_new_privileges
from .signals import signal
from .spawn import StartFailed, spawn
from .tree import descendants

TYPE_CHECKING = False  # typing itself is 5 ms that every script would pay
if TYPE_CHECKING:
    from .disk import DiskMeter

GIVE_UP = 3.0
"""Seconds after the first SIGKILL.  What is still there hangs in the kernel (a dead network mount): it is reported."""

_BY_HAND = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Somebody ends us from outside: politely, like an interrupt."""

_PARENT_DIED = signal.SIGUSR1
"""A signal of its own: it comes when the kernel's first thread is gone, while `getppid` still names the kernel and the
socket is still open, so nothing else would tell it from a SIGTERM by hand."""

_ROUND = 0.01
"""Seconds between two rounds of killing; a dying process may just have forked."""


def main(control: int, job_fd: int) -> None:
    """Start the job, watch over it, report, and exit without Python's own tidying up, which would cost 3 ms."""
    os.set_inheritable(control, False)
    job = read_job(job_fd)
    for fd, _ in job.descriptors:
        os.set_inheritable(fd, False)
    plan = Plan.decode(job.confinement)
    if plan.stderr >= 0:
        os.dup2(plan.stderr, 2)
        os.close(plan.stderr)
    watch = _supervisor(job, plan, control)
    try:
        watch.start()
    except StartFailed as failure:
        watch.tell(failure.message())
    else:
        watch.until_nothing_is_left()
        watch.tell(watch.report())
    finally:
        if plan.groups:
            remove_groups(plan.groups)
        if job.root:
            remove_place(job.root)
    os._exit(0)


def _supervisor(job: Job, plan: Plan, control: int) -> Supervisor:
    if not plan.sandbox:
        return Supervisor(job, plan, control)
    from .sandboxed import Warden

    return Warden(job, plan, control)


class Supervisor:
    """The state of one watch.  `deadline` is when killing begins, None while the script simply runs."""

    def __init__(self, job: Job, plan: Plan, control: int) -> None:
        self._job = job
        self._plan = plan
        self._control = control
        self._poll = select.poll()
        self._deadline: float | None = None
        self._killing_since: float | None = None
        self._main = 0
        self._status: int | None = None
        self._began = self._ended = 0.0
        self._ended_by = 0  # the signal of ours that was out when the script itself ended
        self._killed: set[int] = set()
        self._left = 0
        self._meter: DiskMeter | None = None
        self._filled_disk = False

    def start(self) -> None:
        """Take our place in the system, then start the script.  Raises StartFailed."""
        self._signals = _signal_pipe()
        self._poll.register(self._signals, select.POLLIN)
        self._poll.register(self._control, select.POLLIN)
        adopt_orphans()
        refuse_new_privileges()
        if self._job.root:  # in a sandbox the parent is bwrap, which has us killed with it already
            die_with_parent(_PARENT_DIED)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._make_room()
        if self._kernel_is_gone():
            raise StartFailed(b"kernel", errno.EPIPE)
        self._began = time.monotonic()
        self._main = self._spawn()
        self._started()

    def _make_room(self) -> None:
        step = b"workspace"
        try:
            if self._job.root:
                make_place(self._job.root, self._job.script)
            step = b"cgroup"
            make_groups(self._plan.groups)
        except OSError as error:
            raise StartFailed(step, error.errno or 0) from error
        if self._plan.disk:
            from .disk import DiskMeter

            self._meter = DiskMeter(self._job.root, self._plan.disk, time.monotonic())

    def _spawn(self) -> int:
        return spawn(self._job, self._plan)

    def _started(self) -> None:
        self.tell(b"started %d" % self._main)

    def _kernel_is_gone(self) -> bool:
        return any(fd == self._control and event & select.POLLHUP for fd, event in self._poll.poll(0))

    def until_nothing_is_left(self) -> None:
        """Returns once every process of the script has ended, or `GIVE_UP` after the first SIGKILL."""
        while self._reap() and not self._gave_up():
            now = time.monotonic()
            if self._status is not None and self._deadline is None:
                self._deadline = now + self._job.linger_ms / 1000
            if self._meter and self._deadline is None and self._meter.is_over(now):
                self._filled_disk, self._deadline = True, now
            if self._deadline is not None and now >= self._deadline:
                self._kill(now)
            self._wait(now)
        self._left = len(descendants(os.getpid())) if self._gave_up() else 0

    def tell(self, message: bytes) -> None:
        try:  # noqa: SIM105 - importing contextlib would cost every script a millisecond
            os.write(self._control, message)
        except OSError:  # nobody is left to listen
            pass

    def report(self) -> bytes:
        """`code` is -1 when a `signal` ended the script; times are µs, `peak` is bytes, the rest counts processes.

        CPU covers every process of the tree, since we waited for each.  `peak` is that of the largest one, and never
        under what we use ourselves (about 9 MB): Linux counts the memory a process had before its exec.
        """
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        status = 0 if self._status is None else self._status
        ended = self._status is not None
        numbers = {
            "code": os.WEXITSTATUS(status) if ended and os.WIFEXITED(status) else -1,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "duration": int(((self._ended or time.monotonic()) - self._began) * 1e6),
            "cpu": int((used.ru_utime + used.ru_stime) * 1e6),
            "peak": used.ru_maxrss * 1024,
            "ended_by": self._ended_by,
            "survivors": len(self._killed - {self._main}),
            "left": self._left,
        }
        return b"ended " + self._words(numbers | self._limits_met())

    def _limits_met(self) -> dict[str, int]:
        return {"disk_full": int(self._filled_disk), **complaints(self._plan.groups)}

    @staticmethod
    def _words(numbers: dict[str, int]) -> bytes:
        return " ".join(f"{key}={number}" for key, number in numbers.items()).encode()

    def _reap(self) -> bool:
        """Collect all that ended; whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._main:
                self._status = status
                self._ended = time.monotonic()

    def _wait(self, now: float) -> None:
        """Sleep until a signal, a message, or the next thing to do."""
        next_thing = self._deadline
        if next_thing is None and self._meter:
            next_thing = self._meter.due
        timeout = None if next_thing is None else max(next_thing - now, _ROUND)
        for fd, _ in self._poll.poll(None if timeout is None else timeout * 1000):
            self._ready(fd)

    def _ready(self, fd: int) -> None:
        if fd == self._control:
            self._obey(receive(fd))
            return
        numbers = os.read(fd, 512)
        if _PARENT_DIED in numbers:
            self._obey(b"")
        elif any(number in numbers for number in _BY_HAND):
            self._obey(b"stop")

    def _obey(self, message: bytes) -> None:
        if message == b"stop":
            self._stop()
            return
        if message == b"":
            self._forget_control()
        self._deadline = time.monotonic()

    def _forget_control(self) -> None:
        """At its end of file the socket would wake us without pause."""
        try:  # noqa: SIM105
            self._poll.unregister(self._control)
        except KeyError:  # we are told twice: by the socket and by the signal
            pass

    def _stop(self) -> None:
        """Ask the whole tree once, then leave it its grace; what a trap handler starts meanwhile is left alone."""
        self._reap()
        if self._ended_by or self._status is not None:
            return
        self._ended_by = signal.SIGTERM
        self._deadline = time.monotonic() + self._job.grace_ms / 1000
        everyone = descendants(os.getpid())
        # The script's own group in one call, which no fork can slip through: a shell may just be starting its next
        # command.  We have not reaped the script yet, so its number is nobody else's.
        os.killpg(self._main, signal.SIGTERM)
        for process in everyone:
            if process.group != self._main:
                process.send(signal.SIGTERM)
            process.send(signal.SIGCONT)  # a stopped process would sleep through it

    def _kill(self, now: float) -> None:
        self._killing_since = self._killing_since or now
        if self._status is None:
            self._ended_by = signal.SIGKILL
        for process in descendants(os.getpid()):
            process.send(signal.SIGKILL)
            self._killed.add(process.pid)
        # One by one may chase for ever who forks and ends at once; these two strike all of them together.
        if os.getpid() == 1:
            _kill_all_but_us()
        if self._plan.groups:
            kill_groups(self._plan.groups)

    def _gave_up(self) -> bool:
        return self._killing_since is not None and time.monotonic() > self._killing_since + GIVE_UP


def _kill_all_but_us() -> None:
    """As the first process of a sandbox: -1 is then everybody in it."""
    try:  # noqa: SIM105
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _signal_pipe() -> int:
    """A descriptor that yields the number of each signal we receive, one byte each."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, _PARENT_DIED, *_BY_HAND):
        signal.signal(number, lambda *_: None)
    return read_end


def receive(fd: int) -> bytes:
    """The next message; empty at the end, and when none has come."""
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
