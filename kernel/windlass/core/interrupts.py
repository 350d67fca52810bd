"""The interrupt ladder: each rung gets its grace, then the next one is climbed.

An inline handler can be asked, and it can have CancelledError raised in it; a process can be killed, code on our own
event loop can't.  So the last rung for it is to abandon: the task ends, its slot is replaced, its writes are refused
by the fence, and the leak is counted.  Which rung worked is kept in the history.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Rung(Enum):
    """What finally ended an interrupted attempt."""

    ASKED = "asked"
    RAISED = "raised"
    ABANDONED = "abandoned"


class Graces(msgspec.Struct, frozen=True):
    """Seconds given to each rung, and to `Handler.cleanup` afterwards."""

    ask: float = 5.0
    raise_: float = 5.0
    cleanup: float = 10.0


def ladder(graces: Graces) -> tuple[tuple[Rung, float], ...]:
    """The rungs in order with the seconds each is given before the next."""
    return ((Rung.ASKED, graces.ask), (Rung.RAISED, graces.raise_), (Rung.ABANDONED, 0.0))
