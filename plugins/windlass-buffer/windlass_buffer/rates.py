"""How fast a site is drained, by what was seen of its counter.  It decides on paper: times are arguments."""

from __future__ import annotations

from collections import deque

WINDOW = 60.0
"""Seconds that count as lately."""
LEAST = 0.25
"""Seconds between two looks that say something."""
MOST = 120
"""Looks that are kept."""


class Rate:
    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=MOST)

    def see(self, now: float, processed: int) -> float | None:
        """A second's worth of what was processed lately; None when nothing is known of that."""
        seen = self._seen
        if seen and (processed < seen[-1][1] or now < seen[-1][0]):  # Redis was emptied, or is another one
            seen.clear()
        while len(seen) > 1 and now - seen[1][0] > WINDOW:
            seen.popleft()
        if seen and now - seen[0][0] > 2 * WINDOW:
            seen.clear()
        began = seen[0] if seen else (now, processed)
        seen.append((now, processed))
        return (processed - began[1]) / (now - began[0]) if now - began[0] >= LEAST else None
