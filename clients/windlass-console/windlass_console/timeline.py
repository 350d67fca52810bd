"""The timeline of a task: its attempts with their lines and stages, and where each lies on the time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from windlass_client import Attempt, Step, StepType

WIDTH = 1000
"""Units of a bar's axis: what an SVG's viewBox has."""

SHOWN_LINES = 300
SHOWN_STAGES = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """From `left`, `width` wide, both in units of WIDTH; `moving` when it has not ended."""

    left: int
    width: int
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of an attempt; `bars` has one for each time it was entered, `seconds` is their sum."""

    name: str
    begin: float
    seconds: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """`gap`: seconds since the line before it, whatever the attempt; None for the first."""

    step: Step
    gap: float | None


@dataclass(frozen=True, slots=True)
class Section:
    """An attempt and its lines; `attempt` is None for what happened before the first one.

    `left_out` of its oldest lines are not among `lines`.  `bar` is on the axis of all attempts, that of a stage on the
    axis of this one.
    """

    number: int
    attempt: Attempt | None
    lines: tuple[Line, ...]
    left_out: int
    stages: tuple[Stage, ...]
    bar: Bar | None
    seconds: float | None

    @property
    def running(self) -> bool:
        return self.attempt is not None and self.attempt.ended is None and self.attempt.started is not None


def sections(attempts: Sequence[Attempt], steps: Sequence[Step], now: datetime, *, whole: bool) -> list[Section]:
    """The newest first; `whole` leaves no line out."""
    known = {attempt.number: attempt for attempt in attempts}
    lines = list(_lines(steps))
    begin = min((one.started for one in attempts if one.started), default=None)
    end = max((one.ended or now for one in attempts if one.started), default=now)
    made = []
    for number in sorted({step.attempt for step in steps} | set(known), reverse=True):
        mine = [line for line in lines if line.step.attempt == number]
        shown = mine if whole else mine[-SHOWN_LINES:]
        attempt = known.get(number)
        bar, seconds = None, None
        if begin and attempt and attempt.started:
            until = attempt.ended or now
            bar = _bar(begin, end, attempt.started, until, attempt.ended is None)
            seconds = (until - attempt.started).total_seconds()
        stages = tuple(_stages(attempt, [line.step for line in mine], now)) if attempt else ()
        made.append(Section(number, attempt, tuple(shown), len(mine) - len(shown), stages, bar, seconds))
    return made


def _lines(steps: Sequence[Step]) -> Iterator[Line]:
    before: datetime | None = None
    for step in steps:
        yield Line(step, (step.time - before).total_seconds() if before and step.time else None)
        before = step.time or before


def _stages(attempt: Attempt, steps: Sequence[Step], now: datetime) -> Iterator[Stage]:
    """Each by its name, in the order they were first entered; a stage ends where the next one begins."""
    begin, end = attempt.started, attempt.ended or now
    entered = [(step.text, step.time) for step in steps if step.type is StepType.STAGE and step.time]
    if begin is None or not entered:
        return
    spans: dict[str, list[tuple[datetime, datetime, bool]]] = {}
    for index, (name, start) in enumerate(entered):
        is_last = index + 1 == len(entered)
        until = end if is_last else entered[index + 1][1]
        spans.setdefault(name, []).append((start, max(start, until), is_last and attempt.ended is None))
    for name, mine in list(spans.items())[:SHOWN_STAGES]:
        yield Stage(
            name,
            (mine[0][0] - begin).total_seconds(),
            sum((until - start).total_seconds() for start, until, _ in mine),
            tuple(_bar(begin, end, start, until, moving) for start, until, moving in mine),
        )


def _bar(begin: datetime, end: datetime, start: datetime, until: datetime, moving: bool) -> Bar:
    """At least so wide that it is seen, and inside of the axis."""
    whole = max((end - begin).total_seconds(), 0.001)
    left = min(round((start - begin).total_seconds() / whole * WIDTH), WIDTH - 6)
    width = round((until - start).total_seconds() / whole * WIDTH)
    return Bar(max(left, 0), max(min(width, WIDTH - left), 6), moving)
