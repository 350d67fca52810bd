"""Starts the script itself: the one fork, in a process that has a single thread and nothing loaded."""

from __future__ import annotations

import os
import resource

from .groups import enter_groups
from .job import Job
from .plan import Plan
from .prctl import die_with_parent
from .signals import signal


class StartFailed(Exception):
    """The script was not started.  `step` says which call refused (chdir, exec, …), `errno` or `reason` why."""

    def __init__(self, step: bytes, errno: int, reason: bytes = b"") -> None:
        super().__init__(step, errno, reason)
        self.step = step
        self.errno = errno
        self.reason = reason

    def message(self) -> bytes:
        """What the kernel is told."""
        return b"failed %s %d %s" % (self.step, self.errno, self.reason)


def spawn(job: Job, plan: Plan) -> int:
    """Start the job's program in a session of its own, with our descriptors 0, 1, 2 and the job's; its pid.

    The job's are closed here: as long as we held one, nobody could see that the script has left it.
    """
    read_end, write_end = os.pipe()
    runner = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(job, plan, runner, write_end)
    for ours, _ in job.descriptors:
        os.close(ours)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as failure:
        # Exec closes the other end, so an empty read is the proof that the program runs.
        told = failure.read()
    if told:
        os.waitpid(pid, 0)
        step, _, number = told.partition(b" ")
        raise StartFailed(step, int(number))
    return pid


def _become(job: Job, plan: Plan, runner: int, failure: int) -> None:
    step = b"session"
    try:
        os.setsid()
        die_with_parent(signal.SIGKILL)
        if os.getppid() != runner:  # it died before the line above
            os._exit(127)
        _default_signals()
        failure = _place(job.descriptors, failure)
        step = b"cgroup"
        if plan.groups:
            enter_groups(plan.groups)
        step = b"chdir"
        os.chdir(job.cwd)
        step = b"limits"
        for limit, value in plan.rlimits:
            _limit(limit, value)
        step = b"landlock"
        if plan.writable:
            _hold_to_paths(plan)
        step = b"exec"
        os.execve(job.argv[0], job.argv, job.environment)
    except OSError as error:
        os.write(failure, b"%s %d" % (step, error.errno or 0))
    finally:
        os._exit(127)


def _place(descriptors: list[tuple[int, int]], failure: int) -> int:
    """Give each the number under which the script looks for it; where `failure` is then.

    Ours have the numbers they had in the kernel, which may have hundreds open: all wait above every number in play.
    """
    above = max(failure, *(max(numbers) for numbers in descriptors)) + 1
    waiting = [os.dup2(ours, above + place, False) for place, (ours, _) in enumerate(descriptors)]
    failure = os.dup2(failure, above + len(waiting), False)
    for moved, (_, theirs) in zip(waiting, descriptors, strict=True):
        os.dup2(moved, theirs)
    return failure


def _limit(number: int, value: int) -> None:
    """An ordinary user may lower a limit and not raise it: then what we have stays."""
    _, most = resource.getrlimit(number)
    if most != resource.RLIM_INFINITY:
        value = min(value, most)
    resource.setrlimit(number, (value, value))


def _hold_to_paths(plan: Plan) -> None:
    from .landlock import drop_ways_around, restrict  # 1 ms that only those who need it pay

    drop_ways_around()
    restrict(plan.readable, plan.writable, plan.denied)


def _default_signals() -> None:
    """Ignored signals survive exec, and a kernel started by `serve &` was given some: scripts begin with none."""
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):  # SIGKILL, SIGSTOP and the two the C library keeps
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
