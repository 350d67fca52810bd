"""What a computation tells while it runs, and how it learns that nobody wants it any more."""

from __future__ import annotations

from typing import Any, Protocol


class Say(Protocol):
    """The listener of a computation; all of it is called often and must be cheap."""

    def stage(self, text: str) -> None: ...
    def progress(self, current: int, total: int) -> None: ...
    def step(self, text: str, **data: Any) -> None: ...
    def cancelled(self) -> bool: ...


class Cancelled(Exception):
    """`Say.cancelled()` was true: the computation ended, nothing of it counts."""


def go_on(say: Say) -> None:
    """Raises Cancelled when the work is not wanted any more."""
    if say.cancelled():
        raise Cancelled
