"""The last hour in numbers: a sample every few seconds, made from the pictures that the console sees anyway.

Nothing is guessed: while the server was out of reach, and while the console itself stood still, there is a gap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windlass_client import Counts, Picture

STEP = 5.0
"""Seconds between two samples."""
KEPT = 720
"""An hour of them."""
WINDOW = 3
"""Rates are over this many steps: nodes write their counts down once a second, so one step alone is a rough measure."""
STOOD_STILL = 2.5 * STEP
"""Two samples that are further apart than this have a gap between them."""

RATES = ("enqueued", "started", "succeeded", "retried", "failed", "canceled", "lost")
Row = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment: `at` is in seconds since 1970; all else is None while the server was out of reach.

    waiting: due tasks without a worker.  oldest: for how many seconds the oldest of them has been due, 0 when there is
    none.  pickup: for how many seconds those that started were due, on average; None when none did.  The others are a
    minute.  These and pickup are over the last samples; None as long as there are not two to compare.
    """

    at: float
    waiting: int | None = None
    running: int | None = None
    oldest: float | None = None
    enqueued: float | None = None
    started: float | None = None
    succeeded: float | None = None
    retried: float | None = None
    failed: float | None = None
    canceled: float | None = None
    lost: float | None = None
    pickup: float | None = None


class Series:
    """`add` is called every `STEP` seconds; `rows` are for charts, the oldest first."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._counts: deque[tuple[float, Counts]] = deque(maxlen=WINDOW + 1)

    def add(self, at: float, picture: Picture | None, age: float = 0.0) -> None:
        """The newest picture, which came `age` seconds ago; None while the server is out of reach."""
        if self._samples and at - self._samples[-1].at > STOOD_STILL:
            self._gap(self._samples[-1].at + STEP)
        if picture is None:
            self._gap(at)
            return
        if self._counts and self._counts[-1][1].enqueued > picture.counts.enqueued:
            self._counts.clear()  # another store: its counts begin anew
        self._counts.append((at, picture.counts))
        oldest = max((pool.oldest_wait + age for pool in picture.pools if pool.waiting and pool.oldest_wait), default=0)
        waiting = sum(pool.waiting for pool in picture.pools)
        self._samples.append(Sample(at, waiting, picture.active_count, oldest, pickup=self._pickup(), **self._rates()))

    def rows(self, newest: int = KEPT) -> list[Row]:
        """The values of `Sample` in their order, rounded for the way to a browser."""
        skipped = max(0, len(self._samples) - newest)
        return [tuple(_rounded(value) for value in astuple(each)) for each in islice(self._samples, skipped, None)]

    def _gap(self, at: float) -> None:
        self._counts.clear()
        self._samples.append(Sample(at))

    def _rates(self) -> dict[str, float]:
        (begin, old), (end, new) = self._counts[0], self._counts[-1]
        if end <= begin:
            return {}
        return {name: 60 * (getattr(new, name) - getattr(old, name)) / (end - begin) for name in RATES}

    def _pickup(self) -> float | None:
        old, new = self._counts[0][1], self._counts[-1][1]
        many = new.started - old.started
        return (new.waited - old.waited) / many if many > 0 else None


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    short = round(value, 1 if value >= 1 else 3)
    return int(short) if short == int(short) else short
