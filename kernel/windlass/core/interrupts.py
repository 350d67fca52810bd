"""The interrupt ladder: each rung gets its grace, then the next one is climbed.

Which rungs there are depends on the executor.  Anything can be asked.  A handler on the event loop, in a thread or in
a process can have an exception raised in it, and may catch it.  Only a process can be terminated, and killed with all
it has started.  The last rung is the same for all: abandon.  The task ends, its slot is replaced, its writes are
refused by the fence, and the leak is counted.  Which rung worked is kept in the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec


class Rung(Enum):
    """What finally ended an interrupted attempt, in the order they are climbed."""

    ASKED = "asked"
    RAISED = "raised"
    TERMINATED = "terminated"
    KILLED = "killed"
    ABANDONED = "abandoned"


class Graces(msgspec.Struct, frozen=True):
    """Seconds given to each rung before the next one, and to `Handler.cleanup` afterwards.

    `kill` is how long a killed process may take to be gone: one that hangs in the system is then abandoned.
    """

    ask: float = 5.0
    raise_: float = 5.0
    terminate: float = 5.0
    kill: float = 5.0
    cleanup: float = 10.0


def ladder(graces: Graces, rungs: Sequence[Rung] = (Rung.ASKED, Rung.RAISED)) -> tuple[tuple[Rung, float], ...]:
    """The rungs in order with the seconds each is given before the next; abandoning is always the last."""
    seconds = {
        Rung.ASKED: graces.ask,
        Rung.RAISED: graces.raise_,
        Rung.TERMINATED: graces.terminate,
        Rung.KILLED: graces.kill,
    }
    return (*((rung, seconds[rung]) for rung in seconds if rung in rungs), (Rung.ABANDONED, 0.0))


def patience(graces: Graces, rungs: Sequence[Rung]) -> float:
    """Seconds that an attempt nobody waits for politely (its task is another's) gets to end before it is abandoned."""
    return graces.raise_ + (graces.kill if Rung.KILLED in rungs else 0.0)
