"""Where the claims of one pool go on: the last place claimed of each priority, and when to look behind it.

A claim that starts at the head of the queue walks over every dead entry that vacuum has not removed yet; one that
starts where the last one ended does not.  Two corrections keep that honest:

- Rows commit out of order, so some arrive behind the frontier.  Each arrival carries its transaction id, and a look at
  what arrived since the oldest transaction of the last look pulls the frontiers back.  It also teaches new priorities.
- A row that another claimer held is passed over, and may come free again (its transaction rolled back).  So now and
  then a claim starts from where the frontiers were before any claim that could still be open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

LOOK_SECONDS = 0.1
GO_BACK_SECONDS = 5.0
START = datetime(1970, 1, 1, tzinfo=UTC)
Mark = tuple[datetime, int]


class Frontier:
    """`deadline` is how long a claim may stay open, in seconds."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._kinds: frozenset[str] | None = None
        self.forget()

    def forget(self) -> None:
        """Start over: look at everything."""
        self._marks: dict[int, Mark] = {}
        self._since = "0"
        self._looked_at = float("-inf")
        self._went_back_at = float("-inf")
        self._history: deque[tuple[float, dict[int, Mark]]] = deque()
        self._sparse = True

    def ask(self, now: float) -> dict[str, Any]:
        """The frontier's part of a claim's parameters.  `since` is None when this claim need not look."""
        if now - self._went_back_at > GO_BACK_SECONDS:
            self._go_back(now)
        # Behind a sparse claim something may wait unseen, and nothing else hurries us.
        look = self._sparse or now - self._looked_at > LOOK_SECONDS
        if look:
            self._looked_at = now
        marks = sorted(self._marks.items(), reverse=True)
        return {
            "since": self._since if look else None,
            "priorities": [priority for priority, _ in marks],
            "ats": [at for _, (at, _) in marks],
            "ids": [id_ for _, (_, id_) in marks],
        }

    def learn(self, look: dict[str, Any] | None, claimed: Iterable[tuple[int, datetime, int]], *, sparse: bool) -> bool:
        """What a claim saw and took (priority, next try, id); `sparse` when it found fewer than it asked for.

        True when it has to start over: kinds are claimed again that were passed over, such as one that was resumed.
        """
        self._sparse = sparse
        kinds = None if look is None else look.get("kinds")
        before, self._kinds = self._kinds, self._kinds if kinds is None else frozenset(kinds)
        if before is not None and kinds is not None and not before.issuperset(kinds):
            self.forget()
            return True
        if look is not None:
            self._since = look["xmin"]
            for priority, epoch in look["seen"] or ():
                # One microsecond early: the number of seconds was rounded on its way.
                seen = datetime.fromtimestamp(epoch, UTC) - timedelta(microseconds=2)
                self._marks[priority] = min(self._marks.get(priority, (seen, 0)), (seen, 0))
        for priority, next_try_at, id_ in claimed:
            self._marks[priority] = max(self._marks.get(priority, (START, 0)), (next_try_at, id_))
        return False

    def _go_back(self, now: float) -> None:
        self._went_back_at = now
        self._history.append((now, dict(self._marks)))
        old: dict[int, Mark] = {}
        while self._history and now - self._history[0][0] > self._deadline:
            old = self._history.popleft()[1]
        for priority, mark in old.items():
            self._marks[priority] = min(self._marks.get(priority, mark), mark)
