"""What simulated tasks publish through lanes: kept outside of the system, as a store of artifacts would be.

It compares fences, as `Lane.check` asks of whatever must never go backwards: a writer that was put to sleep right after
its check is refused here.  One that a check should have stopped is noted in `wrongs`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple


class Stale(Exception):
    """A newer holder has been here."""


class Visit(NamedTuple):
    """One attempt inside a lane; `base` is the version it builds on, `at` when it began (seconds)."""

    lane: str
    fence: int
    task: int
    attempt: int
    node: str
    deaf: bool
    base: int
    at: float


class Press:
    """`versions[lane]` are the visits that published, in order; `inside` are those that still go on."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Visit]] = defaultdict(list)
        self.inside: list[Visit] = []
        self.wrongs: list[str] = []
        self.refused = 0
        self._fences: dict[tuple[str, int], tuple[int, int]] = {}
        self._newest: dict[str, Visit] = {}

    def begin(self, lane: str, fence: int, task: int, attempt: int, node: str, *, deaf: bool, now: float) -> Visit:
        """A holder hands its fence in and reads what it builds on."""
        visit = Visit(lane, fence, task, attempt, node, deaf, len(self.versions[lane]), now)
        first = self._fences.setdefault((lane, fence), (task, attempt))
        if first != (task, attempt):
            self.wrongs.append(f"fence {fence} of {lane} was given to {first} and to {(task, attempt)}")
        if fence < self._newest.get(lane, visit).fence:
            raise Stale
        self._newest[lane] = visit
        self.inside.append(visit)
        return visit

    def publish(self, visit: Visit, checked: float) -> None:
        """The switch, right after a check that was asked for at `checked`.  Raises `Stale`."""
        newest = self._newest[visit.lane]
        if visit.fence < newest.fence:
            if newest.at < checked:
                self.wrongs.append(f"{visit} passed a check although {newest} had begun before it")
            raise Stale
        self.versions[visit.lane].append(visit)

    def end(self, visit: Visit) -> None:
        if visit in self.inside:
            self.inside.remove(visit)

    def kill(self, node: str) -> None:
        """A process that is killed publishes nothing any more."""
        self.inside = [visit for visit in self.inside if visit.node != node]
