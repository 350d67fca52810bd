"""Capped output: the head as it comes, the tail at the end, and a count of what lay between.

Memory is bounded by the cap and one chunk, whatever the task writes: whole chunks are let go while it runs, and the
exact cut is made at the end.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

JOIN_BELOW = 16 * 1024
"""Small writes are joined up to this size, so that a million one-byte writes are not a million rows."""


class Chunk(NamedTuple):
    stream: str
    data: bytes
    dropped: int = 0
    """Bytes left out just before this chunk."""


class CappedOutput:
    """Keeps the first and the last half of `cap` bytes of one attempt's output, over all its streams."""

    def __init__(self, cap: int) -> None:
        self._head_left = cap // 2
        self._tail_cap = cap - cap // 2
        self._tail: deque[Chunk] = deque()
        self._tail_size = 0
        self.dropped = 0

    def write(self, stream: str, data: bytes) -> Chunk | None:
        """What to pass on at once, if anything; the rest is held back for `close`."""
        head = None
        if self._head_left and data:
            head = Chunk(stream, data[: self._head_left])
            data = data[self._head_left :]
            self._head_left -= len(head.data)
        if data:
            self._keep(stream, data)
        return head

    def _keep(self, stream: str, data: bytes) -> None:
        last = self._tail[-1] if self._tail else None
        if last and last.stream == stream and len(last.data) + len(data) <= JOIN_BELOW:
            self._tail[-1] = Chunk(stream, last.data + data)
        else:
            self._tail.append(Chunk(stream, data))
        self._tail_size += len(data)
        while self._tail and self._tail_size - len(self._tail[0].data) >= self._tail_cap:
            self._drop(len(self._tail[0].data))

    def _drop(self, size: int) -> None:
        oldest = self._tail.popleft()
        if size < len(oldest.data):
            self._tail.appendleft(Chunk(oldest.stream, oldest.data[size:]))
        self._tail_size -= size
        self.dropped += size

    def close(self) -> list[Chunk]:
        """The tail; its first chunk says how much was dropped before it."""
        if self._tail_size > self._tail_cap:
            self._drop(self._tail_size - self._tail_cap)
        chunks = list(self._tail)
        if self.dropped:
            # Where nothing may be kept, the count still stands.
            first = chunks[0] if chunks else Chunk("stdout", b"")
            chunks[:1] = [first._replace(dropped=self.dropped)]
        self._tail.clear()
        self._tail_size = self.dropped = 0
        return chunks
