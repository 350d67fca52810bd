"""Watches over a script in a sandbox, by a second runner that is its first process in there.

    us, outside ── bwrap ── the runner inside (pid 1) ── the script

The sandbox's own program can tell neither a signal from an exit code nor a script that was not started from one that
failed, and counts no CPU time.  The runner inside is the same program as we are, so it can: we pass its words on, and
the kernel sees no difference.  What it can't do is ours: the private directory, the cgroups, and ending everything
when it does not answer.  With pid 1 every process in there ends, by the system's own rule.
"""

from __future__ import annotations

import _socket
import os
import select
import sys
import time

from .job import Job
from .plan import Plan
from .signals import signal
from .spawn import StartFailed, spawn
from .supervise import Supervisor, receive

_CONTROL, _JOB, _STDERR, _FIRST_FREE = 10, 11, 12, 13
"""Where the runner inside finds its descriptors; those of the script follow."""

_LATE = 0.5
"""Seconds after the script's grace that the runner inside has for killing what is left and for its report."""

_NEEDED = (b"LD_LIBRARY_PATH",)


class Warden(Supervisor):
    """A supervisor whose script is a sandbox."""

    def __init__(self, job: Job, plan: Plan, control: int) -> None:
        super().__init__(job, plan, control)
        self._heard: dict[bytes, bytes] = {}

    def _spawn(self) -> int:
        near, far = (end.detach() for end in _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET))
        self._inside = near
        self._complaint = os.memfd_create("windlass-sandbox")
        os.set_blocking(near, False)
        self._poll.register(near, select.POLLIN)
        try:
            return spawn(self._around(far), self._plan_outside())
        except StartFailed as failure:
            # "exec" is the script's own step; what could not be started here is the sandbox.
            raise StartFailed(b"sandbox" if failure.step == b"exec" else failure.step, failure.errno) from failure

    def _around(self, far: int) -> Job:
        """The job that starts the sandbox, with the script's own job inside of it."""
        given = [(ours, _FIRST_FREE + place) for place, (ours, _) in enumerate(self._job.descriptors)]
        inner = _copy(self._job, argv=self._job.argv, cwd=self._job.cwd, environment=self._job.environment)
        inner.descriptors = [(_FIRST_FREE + place, theirs) for place, (_, theirs) in enumerate(self._job.descriptors)]
        plan = Plan()
        plan.rlimits, plan.stderr = self._plan.rlimits, _STDERR
        inner.confinement = plan.encode()
        around = _copy(
            self._job,
            argv=[*map(os.fsencode, self._plan.sandbox), b"%d" % _CONTROL, b"%d" % _JOB, os.fsencode(sys.argv[-1])],
            cwd=b"/",
            environment={name: os.environb[name] for name in _NEEDED if name in os.environb},
        )
        # `spawn` closes what it hands on, so all of these are copies or made for it.
        own = [(far, _CONTROL), (_memory(inner.encode()), _JOB), (os.dup(2), _STDERR), (os.dup(self._complaint), 2)]
        around.descriptors = [*own, *given]
        return around

    def _plan_outside(self) -> Plan:
        plan = Plan()
        plan.groups = self._plan.groups
        return plan

    def _started(self) -> None:
        """The runner inside will say so."""

    def _ready(self, fd: int) -> None:
        if fd == self._inside:
            self._listen()
        else:
            super()._ready(fd)

    def _listen(self) -> None:
        message = receive(self._inside)
        if not message:
            self._poll.unregister(self._inside)
            return
        self._heard[message.split(b" ", 1)[0]] = message
        if message.startswith(b"started "):
            # Its number in there says nothing to people out here: that of the sandbox is where they find it.
            self.tell(b"started %d" % self._main)

    def _stop(self) -> None:
        self._reap()
        if self._ended_by or self._status is not None:
            return
        self._ended_by = signal.SIGTERM
        self._deadline = time.monotonic() + self._job.grace_ms / 1000 + _LATE
        try:  # noqa: SIM105 - importing contextlib would cost every script a millisecond
            os.write(self._inside, b"stop")
        except OSError:  # it is just ending
            pass

    def report(self) -> bytes:
        while message := receive(self._inside):
            self._heard[message.split(b" ", 1)[0]] = message
            if message.startswith(b"started "):
                self.tell(b"started %d" % self._main)
        if b"failed" in self._heard:
            return self._heard[b"failed"]
        if b"started" not in self._heard and not self._ended_by:
            return b"failed sandbox 0 " + self._complaints()
        if b"ended" in self._heard:
            return self._heard[b"ended"] + b" " + self._words(self._limits_met())
        # The runner inside was killed with all the rest; bwrap's own exit code says nothing of the script.
        return super().report() + b" code=-1 signal=%d" % signal.SIGKILL

    def _complaints(self) -> bytes:
        text = os.pread(self._complaint, 400, 0).decode(errors="replace")
        return " ".join(text.split()).encode() or b"bubblewrap ended without a word"


def _copy(job: Job, *, argv: list[bytes], cwd: bytes, environment: dict[bytes, bytes]) -> Job:
    """The job without what is done only once, outside: directory, script, confinement."""
    return Job(
        argv=argv,
        environment=environment,
        cwd=cwd,
        root=b"",
        script=b"",
        grace_ms=job.grace_ms,
        linger_ms=job.linger_ms,
    )


def _memory(data: bytes) -> int:
    fd = os.memfd_create("windlass-job")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
