"""What people read of a drainer in its task's timeline."""

from __future__ import annotations

import time
from typing import Any, Protocol


class Voice(Protocol):
    """As much of a context of the kernel's as a drainer needs."""

    def stage(self, name: str) -> None: ...
    def step(self, text: str, **data: Any) -> None: ...
    def progress(self, current: int, total: int | None = None) -> None: ...


class Trouble:
    """One server that is away: said once when it begins, and once when it is over."""

    def __init__(self, voice: Voice, what: str) -> None:
        self._voice = voice
        self._what = what
        self._began: float | None = None

    @property
    def is_on(self) -> bool:
        return self._began is not None

    def begin(self, why: str, comfort: str) -> None:
        if self._began is None:
            self._began = time.time()
            at = time.strftime("%H:%M:%S", time.localtime(self._began))
            self._voice.stage(f"{self._what} is away since {at}")
            self._voice.step(f"warning: {self._what} is away: {why}; {comfort}")

    def over(self) -> bool:
        """Whether it had been away."""
        if self._began is None:
            return False
        self._voice.step(f"{self._what} is back after {time.time() - self._began:.0f} s")
        self._began = None
        return True
