"""How the backlog went, and how much happens a second: both from pictures, looked at once a second."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from windlass_client import Counts, Picture

WINDOW_S = 10.0
REMEMBERED = 600
BARS = "▁▂▃▄▅▆▇█"


class Rates(NamedTuple):
    """A second, over the last ten."""

    enqueued: float
    succeeded: float
    failed: float
    retried: float


class Trend:
    def __init__(self) -> None:
        self._backlog: deque[int | None] = deque(maxlen=REMEMBERED)
        self._counts: deque[tuple[float, Counts]] = deque()

    def sample(self, at: float, picture: Picture | None) -> None:
        """The newest picture, every second (`at`: of any clock that does not jump); None while there is none."""
        self._backlog.append(None if picture is None else backlog(picture))
        if picture is None:
            self._counts.clear()
        else:
            self._counts.append((at, picture.counts))
        while len(self._counts) > 2 and self._counts[1][0] <= at - WINDOW_S:
            self._counts.popleft()

    @property
    def rates(self) -> Rates | None:
        """None until two looks have been taken."""
        if len(self._counts) < 2:
            return None
        (begin, old), (end, new) = self._counts[0], self._counts[-1]
        seconds = end - begin
        return Rates(
            (new.enqueued - old.enqueued) / seconds,
            (new.succeeded - old.succeeded) / seconds,
            (new.failed - old.failed) / seconds,
            (new.retried - old.retried) / seconds,
        )

    def sparkline(self, width: int) -> str:
        """The last `width` seconds; a blank where the server was out of reach."""
        seen = list(self._backlog)[-width:] if width > 0 else []
        highest = max((each for each in seen if each is not None), default=0)
        return "".join(_bar(each, highest) for each in seen)


def backlog(picture: Picture) -> int:
    """Due tasks without a slot."""
    return sum(pool.waiting for pool in picture.pools)


def _bar(value: int | None, highest: int) -> str:
    if value is None:
        return " "
    # Only an empty backlog is the lowest bar: a task that waits is to be seen beside ten thousand.
    return BARS[0] if value == 0 else BARS[max(1, round(value / highest * (len(BARS) - 1)))]
