"""Deadlines of a task: how long it may wait, run, and be silent."""

from __future__ import annotations

import msgspec


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds; None means no deadline.

    `run`: one attempt, from its start.  `silence`: since the attempt last said anything (a stage, progress, a step,
    output), or started.  `queue`: until the first attempt starts.  An attempt over `run` or `silence` is ended by the
    same ladder as an interrupt and counts as failed: it is tried again.
    """

    run: float | None = None
    silence: float | None = None
    queue: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            seconds = getattr(self, name)
            if seconds is not None and not 0 < seconds <= 366 * 86_400:
                raise ValueError(f"the deadline {name!r} must be more than 0 s and at most 366 days, not {seconds} s")


NONE = Deadlines()


def override(deadlines: Deadlines, *, run: float | None = None, silence: float | None = None) -> Deadlines:
    """The kind's deadlines with what this one task asked for instead."""
    if run is None and silence is None:
        return deadlines
    return Deadlines(
        run=deadlines.run if run is None else run,
        silence=deadlines.silence if silence is None else silence,
        queue=deadlines.queue,
    )


def overdue(deadlines: Deadlines, ran: float, silent: float) -> str:
    """Which deadline an attempt broke that ran and was silent for so many seconds; empty: none."""
    if deadlines.run is not None and ran >= deadlines.run:
        return f"it ran longer than {deadlines.run:g} s"
    if deadlines.silence is not None and silent >= deadlines.silence:
        return f"it said nothing for {deadlines.silence:g} s"
    return ""


def next_look(deadlines: Deadlines, ran: float, silent: float) -> float | None:
    """Seconds until a deadline may be broken; None: never."""
    left = [
        deadline - spent
        for deadline, spent in ((deadlines.run, ran), (deadlines.silence, silent))
        if deadline is not None
    ]
    return max(0.0, min(left)) if left else None
