"""One look at something: what a probe is handed, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from windlass_checks.secrets import Secrets
from windlass_checks.way import Way


class Finding(msgspec.Struct, frozen=True):
    """What was found: `verdict` is one line for people.  `warning`: it is well, and will not be for long."""

    ok: bool
    verdict: str
    response_ms: float | None = None
    warning: str = ""


class Look:
    """`way` leads to addresses; `doing` says what is under way, for the verdict when time runs out."""

    def __init__(self, way: Way, secrets: Secrets, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.way = way
        self.secrets = secrets
        self.patience = seconds + 1.0
        """Seconds, for libraries that want a limit of their own: whoever calls us is quicker."""
        self.doing = "beginning"
        self._clock = clock
        self._began = clock()

    def ms(self) -> float:
        """Milliseconds since it began."""
        return round((self._clock() - self._began) * 1000, 1)

    def up(self, verdict: str, warning: str = "") -> Finding:
        return Finding(True, verdict, self.ms(), warning)

    def down(self, verdict: str) -> Finding:
        return Finding(False, verdict, self.ms())


def milliseconds(value: float) -> str:
    """ "0.4 ms", "34 ms", "1.2 s"."""
    if value < 1:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
