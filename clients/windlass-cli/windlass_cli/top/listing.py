"""A list with a cursor that stays on its thing while the list changes under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Numbered(Protocol):
    @property
    def id(self) -> int: ...


T = TypeVar("T", bound=Numbered)


class Listing(Generic[T]):
    def __init__(self) -> None:
        self.rows: Sequence[T] = ()
        self.is_known = False
        """Whether anything was put here yet."""
        self.at = 0
        """Where the cursor is, from 0."""
        self.first = 0
        """The row at the top of the window."""

    @property
    def selected(self) -> T | None:
        return self.rows[self.at] if self.rows else None

    def put(self, rows: Sequence[T]) -> None:
        """The cursor follows its thing.  When that has gone, it stays in its place."""
        chosen = self.selected
        places = {row.id: place for place, row in enumerate(rows)}
        before = self.at
        self.rows, self.is_known = rows, True
        self.at = places.get(chosen.id, self._within(self.at)) if chosen else 0
        self.first = max(0, self.first + self.at - before)  # the cursor's line stays where it is on the screen

    def move(self, by: int) -> bool:
        """By so many rows, up when negative; whether the cursor is on another row now."""
        before, self.at = self.at, self._within(self.at + by)
        return self.at != before

    def window(self, height: int) -> Sequence[T]:
        """The rows that fit, the cursor's among them."""
        height = max(1, height)
        self.first = min(self.first, self.at, max(0, len(self.rows) - height))
        self.first = max(self.first, self.at - height + 1)
        return self.rows[self.first : self.first + height]

    def _within(self, place: int) -> int:
        return max(0, min(place, len(self.rows) - 1))
