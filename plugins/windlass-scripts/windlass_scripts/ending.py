"""How a script ended, as its runner reports it."""

from __future__ import annotations

import msgspec


class Ending(msgspec.Struct, frozen=True):
    """Seconds, bytes and counts; the defaults say that the runner was lost and nothing is known.

    `code` is None when a `signal` ended the script.  `ended_by` is the signal of ours that was out when it did,
    `survivors` counts other processes of its tree that had to be killed, `left` those that even SIGKILL did not end.
    `disk_full` says that we killed it for what it had written; `oom_kills` and `forks_refused` count how often it met
    its limits of memory and of processes.
    """

    known: bool = False
    code: int | None = None
    signal: int | None = None
    duration: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    ended_by: int | None = None
    survivors: int = 0
    left: int = 0
    disk_full: bool = False
    oom_kills: int = 0
    forks_refused: int = 0


def parse_ending(message: bytes) -> Ending:
    """The runner's `ended …` message, see `runner.supervise.Supervisor.report`; any other is no ending we know."""
    if not message.startswith(b"ended "):
        return Ending()
    words = (word.partition("=") for word in message.decode().split()[1:])
    told = {key: int(value) for key, _, value in words}
    return Ending(
        known=True,
        code=told["code"] if told["code"] >= 0 else None,
        signal=told["signal"] or None,
        duration=told["duration"] / 1e6,
        cpu=told["cpu"] / 1e6,
        peak=told["peak"],
        ended_by=told["ended_by"] or None,
        survivors=told["survivors"],
        left=told["left"],
        disk_full=bool(told["disk_full"]),
        oom_kills=told["oom_kills"],
        forks_refused=told["forks_refused"],
    )
