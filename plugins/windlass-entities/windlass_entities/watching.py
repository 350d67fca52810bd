"""Decides which files have changed and lie still.  No I/O and no clock: stamps and times are arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from windlass_entities.files import Stamp

Stamps = Mapping[str, Stamp | None]
"""By name; None: there is no such file."""


class Stillness:
    """What is known of files from one look to the next.

    A file is `due` when its stamp is not the one that was settled, and has been the same for `calm` seconds: one that
    is being written, or swapped, is left until that is over.
    """

    def __init__(self, calm: float) -> None:
        self._calm = calm
        self._settled: dict[str, Stamp | None] = {}
        self._asked: set[str] = set()
        self._moving: dict[str, tuple[Stamp | None, float]] = {}

    def due(self, stamps: Stamps, now: float) -> list[str]:
        """Those to be looked at, sorted."""
        self._moving = {
            name: self._since(name, stamp, now) for name, stamp in stamps.items() if self._is_new(name, stamp)
        }
        return sorted(name for name, (_, since) in self._moving.items() if now - since >= self._calm)

    def wait(self, now: float) -> float | None:
        """Seconds until something may be due; None: nothing moves."""
        return min((max(0.0, since + self._calm - now) for _, since in self._moving.values()), default=None)

    def settle(self, name: str, stamp: Stamp | None, *, asked: bool) -> None:
        """It was looked at; `asked`: somebody was asked to take it, who may fail."""
        self._settled[name] = stamp
        self._moving.pop(name, None)
        (self._asked.add if asked else self._asked.discard)(name)

    def doubt(self, names: Iterable[str] | None = None) -> None:
        """Look at these again although their files are as they were; None: at those that somebody was asked to take."""
        for name in list(self._asked if names is None else names):
            self._settled.pop(name, None)
            self._asked.discard(name)

    def _is_new(self, name: str, stamp: Stamp | None) -> bool:
        return name not in self._settled or self._settled[name] != stamp

    def _since(self, name: str, stamp: Stamp | None, now: float) -> tuple[Stamp | None, float]:
        known = self._moving.get(name)
        return known if known is not None and known[0] == stamp else (stamp, now)
