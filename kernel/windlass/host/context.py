"""The context a running handler is handed: its words go into an outbox that the recorder empties."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol, Unpack

import msgspec

from windlass.core.output import CappedOutput
from windlass.core.output import Chunk as OutputChunk
from windlass.documents import Documents
from windlass.errors import AttemptSuperseded
from windlass.handler import Context, Lane, TaskInfo, Wishes
from windlass.host.documents import Speaker
from windlass.host.lanes import Lanes, LiveLane
from windlass.host.outbox import STAGE, STATE, STEP, STREAMS, Outbox
from windlass.host.recorder import Recorder
from windlass.store.facts import Claimed, Parent
from windlass.store.lanes import Entrant

LARGEST_TEXT = 4_000
LARGEST_NAME = 200
LARGEST_STEP_DATA = 16 * 1024
LARGEST_CHUNK = 64 * 1024
LARGEST_OUTBOX = 256 * 1024
NUL = "\0"


def clean(text: str, limit: int = LARGEST_TEXT) -> str:
    """Text as the store can keep it: bounded, without NUL (PostgreSQL refuses it), and nothing but Unicode."""
    text = (text if len(text) <= limit else text[: limit - 1] + "…").replace(NUL, "\N{REPLACEMENT CHARACTER}")
    # File names may hold halves of surrogate pairs, which can't be encoded.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def clean_json(value: Any) -> str:
    """JSON text as the store can keep it.  Raises `TypeError` for what JSON can't say."""
    encoded = msgspec.json.encode(value)
    # jsonb refuses \u0000. An escaped backslash before "u0000" is changed too, which harms nobody.
    return encoded.replace(b"\\u0000", b"\\ufffd").decode()


def step_data(data: Mapping[str, Any]) -> str | None:
    """A step's data as it is kept.  Raises `ValueError` when there is too much of it."""
    encoded = clean_json(data) if data else None
    if encoded and len(encoded) > LARGEST_STEP_DATA:
        raise ValueError(f"a step's data has {len(encoded)} bytes; at most {LARGEST_STEP_DATA} are taken")
    return encoded


def check_stream(stream: str) -> None:
    if stream not in STREAMS:
        raise ValueError(f"stream must be one of {', '.join(STREAMS)}, not {stream!r}")


def check_lane_name(name: str) -> None:
    if not name or clean(name, LARGEST_NAME) != name:
        raise ValueError(f"a lane's name is text of 1 to {LARGEST_NAME} characters, not {name!r}")


class Maker(Protocol):
    """Makes children (host/children.py)."""

    async def make(self, parent: Claimed, node: int, kind: str, payload: object, wishes: Mapping[str, Any]) -> int: ...


class Papers(Protocol):
    """Gives out documents (host/documents.py)."""

    def of_attempt(self, plugin: str, attempt: Parent, speaker: Speaker) -> Documents: ...


class Means(NamedTuple):
    """What an attempt may use of its node."""

    lanes: Lanes
    children: Maker
    documents: Papers


def _nothing() -> None: ...


class LiveContext(Context):
    """What an attempt has until it needs it stands on the class: at full speed most attempts need none of it."""

    superseded = False
    ended = False
    on_its_way = False
    spoken_at = 0.0
    on_superseded: Callable[[], None] = staticmethod(_nothing)
    _output: CappedOutput | None = None
    _cancelled: asyncio.Event | None = None
    _task: TaskInfo | None = None
    _stage: str | None = None
    _lane: LiveLane | None = None

    def __init__(
        self,
        claimed: Claimed,
        node: int,
        started: float,
        recorder: Recorder,
        means: Means,
        output_cap: int,
        plugin: str = "",
    ) -> None:
        self.claimed = claimed
        self.outbox = Outbox(node, claimed.id, claimed.attempt, started)
        self._recorder = recorder
        self._means = means
        self._output_cap = output_cap
        self._plugin = plugin

    @property
    def task(self) -> TaskInfo:  # type: ignore[override]
        if self._task is None:
            c = self.claimed
            self._task = TaskInfo(
                id=c.id,
                kind=c.kind,
                title=c.title,
                attempt=c.attempt,
                retries=c.retries,
                priority=c.priority,
                trigger=c.trigger,
                initiator=c.initiator,
                created=c.created_at,
                labels=msgspec.json.decode(c.labels, type=dict[str, str]),
            )
        return self._task

    @property
    def documents(self) -> Documents:  # type: ignore[override]
        attempt = Parent(self.claimed.id, self.claimed.attempt, self.outbox.node)
        return self._means.documents.of_attempt(self._plugin, attempt, self)

    @property
    def cancelled(self) -> asyncio.Event:  # type: ignore[override]
        if self._cancelled is None:
            self._cancelled = asyncio.Event()
        return self._cancelled

    async def stage(self, name: str) -> None:
        self._stage = self.outbox.stage = clean(name, LARGEST_NAME)
        self.outbox.add_line(self._recorder.now(), STAGE, self._stage)
        await self._spoken()

    async def progress(self, current: int, total: int | None = None) -> None:
        self.outbox.set_progress(self._recorder.now(), int(current), None if total is None else int(total))
        await self._spoken()

    async def step(self, text: str, **data: Any) -> None:
        encoded = step_data(data)
        self.outbox.add_line(self._recorder.now(), STEP, clean(text), encoded)
        await self._spoken()

    async def output(self, data: bytes, stream: str = "stdout") -> None:
        check_stream(stream)
        if self._output is None:
            self._output = CappedOutput(self._output_cap)
        self.spoken_at = self._recorder.now()
        for start in range(0, len(data), LARGEST_CHUNK):
            head = self._output.write(stream, bytes(data[start : start + LARGEST_CHUNK]))
            if head:
                self._add_chunk(head)
                await self._spoken()

    @asynccontextmanager
    async def lane(self, name: str, waiting: str = "") -> AsyncIterator[Lane]:
        check_lane_name(name)
        if self._lane is not None:
            if not self._lane.is_left:
                raise RuntimeError(f"lane {name!r}: this task is already at lane {self._lane.name!r}; leave that first")
            # A good-bye that is late must not take what the next entry gives.
            await self._lane.leave()
        entrant = Entrant(name, self.claimed.id, self.claimed.attempt, self.outbox.node)
        lane = self._lane = LiveLane(self._means.lanes, entrant, self)
        try:
            await self._stand_in_line(lane, waiting or f"waiting for {name}")
            yield lane
        finally:
            # Nobody waits for it here: a store that is away must not keep a handler that is to end.
            lane.leave()

    async def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        self.check_runs()
        try:
            return await self._means.children.make(self.claimed, self.outbox.node, kind, payload, wishes)
        except AttemptSuperseded:
            self.supersede()
            raise

    def check_runs(self) -> None:
        """Raises `AttemptSuperseded` when it is over, although the store may not know yet."""
        if self.superseded or self.ended:
            raise self._refusal()

    def leave_lane(self) -> asyncio.Future[None] | None:
        """The attempt ends: whatever its handler still does, it publishes no more."""
        return None if self._lane is None else self._lane.leave()

    def interrupted(self, by: str, reason: str) -> None:
        """Note the interrupt in the timeline and tell the handler."""
        self.told_to_end(f"interrupt asked by {by}" + (f": {reason}" if reason else ""))

    def told_to_end(self, text: str) -> None:
        """Note why in the timeline, and tell the handler."""
        self.outbox.add_line(self._recorder.now(), STATE, clean(text))
        self._recorder.notice(self)
        self.cancelled.set()

    def waits_for_the_store(self) -> bool:
        """Whether it says more than the store takes, so that its silence is not its own."""
        return self.outbox.size > LARGEST_OUTBOX

    def supersede(self) -> None:
        if not self.superseded:
            self.superseded = True
            self.on_superseded()

    def close_output(self) -> None:
        """The held-back tail joins the outbox; nothing more is expected."""
        for chunk in self._output.close() if self._output else ():
            self._add_chunk(chunk)

    def _add_chunk(self, chunk: OutputChunk) -> None:
        self.outbox.add_chunk(self._recorder.now(), chunk.stream, chunk.data, chunk.dropped)

    async def _stand_in_line(self, lane: LiveLane, waiting: str) -> None:
        before, words = self._stage, clean(waiting, LARGEST_NAME)
        try:
            await lane.enter(lambda: self.stage(words))
        except AttemptSuperseded:
            if not lane.is_left:
                self.supersede()
            raise
        if self._stage != words or before == words:
            return
        if before is not None:
            await self.stage(before)
        else:
            # It had none: people see none again, and the timeline needs no line for that.
            self._stage, self.outbox.stage = None, ""
            await self._spoken()

    async def _spoken(self) -> None:
        if self.superseded:
            raise self._refusal()
        self.spoken_at = self._recorder.now()
        self._recorder.notice(self)
        if self.outbox.size > LARGEST_OUTBOX:
            await self._recorder.flushed(self)

    def _refusal(self) -> AttemptSuperseded:
        return AttemptSuperseded(f"attempt {self.claimed.attempt} of task {self.claimed.id} is superseded")
