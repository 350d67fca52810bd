"""What is measured as it happens, kept as plain numbers.  All of it belongs to the event loop: there are no locks.

A measurement costs about a microsecond, so that it may stand in every attempt's way; a library's own histogram takes a
lock and builds its labels each time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from enum import Enum

import msgspec

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Seconds: from a claim on an idle node to a backlog."""


class Distribution:
    """How often a duration was at most each of `BOUNDS`, and longer than all of them: `counts` has one place more."""

    __slots__ = ("counts", "largest", "least", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self.least = float("inf")
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.least = min(self.least, seconds)
        self.largest = max(self.largest, seconds)


class Durations(dict[tuple[str, ...], Distribution]):
    """Distributions by the values of their labels."""

    def __missing__(self, key: tuple[str, ...]) -> Distribution:
        made = self[key] = Distribution()
        return made


class Meters:
    """Durations in seconds; the comment beside each names its labels."""

    def __init__(self) -> None:
        self.enqueue = Durations()  # none
        self.pickup = Durations()  # pool
        self.attempt = Durations()  # kind, outcome
        self.lane_wait = Durations()  # lane
        self.loop_lag = Durations()  # none


class Sort(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Point(msgspec.Struct, frozen=True):
    labels: Mapping[str, str]
    value: float | Distribution


class Family(msgspec.Struct, frozen=True):
    """One metric with OpenTelemetry's name and unit (`s`, `By`, or a noun in braces)."""

    name: str
    sort: Sort
    unit: str
    words: str
    points: tuple[Point, ...]
