"""A context that remembers what a handler told it, and lets a test wait for it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from windlass import Context, Lane, TaskInfo


class RecordingContext(Context):
    """Keeps all it is told in lists.  `pace`, when set, is awaited with each chunk before that is kept."""

    def __init__(self, task_id: int = 7, attempt: int = 2) -> None:
        self.task = TaskInfo(
            id=task_id,
            kind="ExecuteScript",
            title="a script",
            attempt=attempt,
            retries=attempt,
            priority=5,
            trigger="api",
            initiator="someone",
            created=datetime.now(UTC),
            labels={},
        )
        self.cancelled = asyncio.Event()
        self.stages: list[str] = []
        self.steps: list[str] = []
        self.chunks: list[tuple[str, bytes]] = []
        self.data: list[dict[str, Any]] = []
        self.progresses: list[tuple[int, int | None]] = []
        self.pace: Callable[[bytes], Any] | None = None
        self._changed = asyncio.Event()

    async def stage(self, name: str) -> None:
        self.stages.append(name)
        self._changed.set()

    async def progress(self, current: int, total: int | None = None) -> None:
        self.progresses.append((current, total))
        self._changed.set()

    async def step(self, text: str, **data: Any) -> None:
        self.steps.append(text)
        self.data.append(data)
        self._changed.set()

    async def output(self, data: bytes, stream: str = "stdout") -> None:
        if self.pace is not None:
            await self.pace(data)
        self.chunks.append((stream, data))
        self._changed.set()

    def lane(self, name: str, waiting: str = "") -> AbstractAsyncContextManager[Lane]:
        raise AssertionError("ExecuteScript takes no lane")

    async def enqueue(self, kind: str, payload: object = None, **wishes: Any) -> int:
        raise AssertionError("ExecuteScript makes no children")

    def text(self, stream: str = "stdout") -> bytes:
        return b"".join(data for name, data in self.chunks if name == stream)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the handler says to make `condition` true; at most 15 s."""
        async with asyncio.timeout(15):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def saw(self, line: bytes, stream: str = "stdout") -> None:
        await self.until(lambda: line in self.text(stream))
