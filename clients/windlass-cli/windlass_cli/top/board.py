"""What `top` knows: the newest picture, the queue, the history, and whether the server can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from windlass_client import QueueCurrent, State, TaskGone, TaskSeen

from windlass_cli.harmless import one_line
from windlass_cli.top.listing import Listing
from windlass_cli.top.trend import Trend

if TYPE_CHECKING:
    from windlass_client import Card, Picture, QueueChange, Task, WindlassError

FIRST = datetime.min.replace(tzinfo=UTC)
NOBODY_ANSWERS = ("", "STREAM_ENDED", "SERVER_NOT_REACHABLE")
"""Reasons of an Unavailable that no server has given."""


class Board:
    """Takes what the feeds bring; `is_stale` until the screen has shown it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.picture: Picture | None = None
        self.trend = Trend()
        self.queue: Listing[Task] = Listing()
        self.history: Listing[Card] = Listing()
        self.queue_filter = ""
        self.history_filter = ""
        self.is_stale = True
        self._tasks: dict[int, Task] = {}
        self._troubles: dict[str, str] = {}

    def draw(self, picture: Picture) -> None:
        self.picture = picture
        self.mended("overview")

    def change(self, change: QueueChange) -> None:
        """A page is shown once it is whole."""
        match change:
            case TaskSeen(task):
                self._tasks[task.id] = task
            case TaskGone(id):
                self._tasks.pop(id, None)
            case QueueCurrent():
                self.queue.put(sorted(self._tasks.values(), key=_claim_order))
                self.mended("queue")

    def begin_queue(self) -> None:
        """Another page is about to come; until it is whole, the old one stays."""
        self._tasks = {}

    def tell_history(self, cards: Sequence[Card]) -> None:
        self.history.put(cards)
        self.mended("history")

    @property
    def why_no_tasks(self) -> str:
        return "No task matches the filter." if self.queue_filter else "Nothing is running, nothing waits."

    @property
    def why_no_cards(self) -> str:
        return "No card matches the filter." if self.history_filter else "No task has been started yet."

    def sample(self, at: float) -> None:
        """Once a second."""
        self.trend.sample(at, None if "overview" in self._troubles else self.picture)
        self.is_stale = True

    def trouble(self, feed: str, error: WindlassError) -> None:
        """A feed has stopped; it tries again by itself."""
        self._troubles[feed] = self._words(error)
        self.is_stale = True

    def mended(self, feed: str) -> None:
        self._troubles.pop(feed, None)
        self.is_stale = True

    @property
    def troubles(self) -> list[str]:
        """Each said once; nothing while all is well."""
        return list(dict.fromkeys(self._troubles.values()))

    def _words(self, error: WindlassError) -> str:
        if error.code != "UNAVAILABLE":
            return one_line(error.message)
        if error.reason in NOBODY_ANSWERS:
            return f"Kernel unreachable at {self.address}; looking for it again …"
        return f"The kernel at {self.address} cannot answer: {one_line(error.message)}"


def _claim_order(task: Task) -> tuple[bool, int, datetime, int]:
    """The queue's own order: what runs by its id, then what waits as it will be claimed."""
    if task.state is not State.PENDING:
        return False, 0, FIRST, task.id
    return True, -task.priority, task.next_try or FIRST, task.id
