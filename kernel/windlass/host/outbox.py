"""What one attempt has said and the store does not know yet."""

from __future__ import annotations

from windlass.core.output import JOIN_BELOW
from windlass.core.sequence import LAST_WRITABLE, sequence
from windlass.store.facts import Chunk, Line, Progress, Said

STREAMS = {"stdout": 1, "stderr": 2}
STATE, STAGE, STEP = 1, 2, 3


class Outbox:
    """Times are the node's clock; they become ages when a batch is built, so a batch may be built again later.

    Most attempts say nothing, so what an outbox holds is made when the first word comes.
    """

    size = 0
    stage: str | None = None
    progress: tuple[int, float, int, int | None] | None = None
    _n = 0
    _lines: list[tuple[int, float, int, str, str | None]] | None = None
    _chunks: list[tuple[int, float, int, bytes, int]] | None = None

    def __init__(self, node: int, task: int, attempt: int, started: float) -> None:
        self.node = node
        self.task = task
        self.attempt = attempt
        self.started = started

    def __bool__(self) -> bool:
        return bool(self._lines or self._chunks or self.progress)

    def next_sequence(self) -> int:
        """The number of the next event; at the end of the span the last number repeats (and its event is lost)."""
        self._n = min(self._n + 1, LAST_WRITABLE)
        return sequence(self.attempt, self._n)

    def add_line(self, now: float, type_: int, text: str, data: str | None = None) -> None:
        if self._lines is None:
            self._lines = []
        self._lines.append((self.next_sequence(), now, type_, text, data))
        self.size += len(text) + len(data or "") + 64

    def add_chunk(self, now: float, stream: str, data: bytes, dropped: int) -> None:
        if self._chunks is None:
            self._chunks = []
        elif self._chunks and not dropped:
            number, at, kind, before, lost = self._chunks[-1]
            # Nothing came between them, so the two writes are one piece of output.
            if kind == STREAMS[stream] and number == sequence(self.attempt, self._n) and len(before) < JOIN_BELOW:
                self._chunks[-1] = (number, at, kind, before + data, lost)
                self.size += len(data)
                return
        self._chunks.append((self.next_sequence(), now, STREAMS[stream], data, dropped))
        self.size += len(data) + 64

    def set_progress(self, now: float, current: int, total: int | None) -> None:
        self.progress = (self.next_sequence(), now, current, total)

    def take(self) -> Outbox:
        """Everything said so far, as an outbox of its own; this one goes on empty, with the same counter."""
        taken = Outbox(self.node, self.task, self.attempt, self.started)
        taken.size, taken.stage, taken.progress = self.size, self.stage, self.progress
        taken._lines, taken._chunks = self._lines, self._chunks
        self.size, self.stage, self.progress, self._lines, self._chunks = 0, None, None, None, None
        return taken

    def said(self, now: float) -> Said:
        """The record for the store, with ages as of `now`."""
        progress = self.progress
        return Said(
            task=self.task,
            attempt=self.attempt,
            started_age=now - self.started,
            stage=self.stage,
            progress=progress and Progress(progress[0], now - progress[1], progress[2], progress[3]),
            lines=tuple(
                Line(number, now - at, type_, text, data) for number, at, type_, text, data in self._lines or ()
            ),
            chunks=tuple(
                Chunk(number, now - at, kind, data, lost) for number, at, kind, data, lost in self._chunks or ()
            ),
        )
