"""A context that remembers what a handler told it, for what is called without a node."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any

from windlass import BlockingContext, BlockingLane


class Recording(BlockingContext):
    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.steps: list[str] = []

    def stage(self, name: str) -> None:
        """Not looked at."""

    def progress(self, current: int, total: int | None = None) -> None:
        """Not looked at."""

    def step(self, text: str, **data: Any) -> None:
        self.steps.append(text)

    def output(self, data: bytes, stream: str = "stdout") -> None:
        raise AssertionError("nothing here has output")

    def lane(self, name: str, waiting: str = "") -> AbstractContextManager[BlockingLane]:
        raise AssertionError("nothing here takes a lane")

    def enqueue(self, kind: str, payload: object = None, **wishes: Any) -> int:
        raise AssertionError("nothing here makes children")
