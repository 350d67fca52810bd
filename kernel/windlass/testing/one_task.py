"""One task in a store of its own: claimed, executed and handed in by the kernel's own code, with no node around it."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast

import msgspec

from windlass.core.interrupts import Rung
from windlass.core.lifecycle import Verdict
from windlass.core.sequence import sequence
from windlass.host.context import Means
from windlass.host.dispatcher import Dispatcher
from windlass.host.execution import HOW, Execution
from windlass.host.executors.inline import Inline
from windlass.host.plugins import Kind
from windlass.store.facts import Asked, Claimed, Ended, EventFacts, Membership, NewTask, NodeFacts, Watched
from windlass.store.memory import MemoryStore, World
from windlass.store.memory.world import Kept
from windlass.testing.hearing import Heard, record
from windlass.testing.record import Run
from windlass.testing.shelf import OneShelf
from windlass.testing.virtual import VirtualLoop, real_time
from windlass.testing.watching import WatchedChildren, WatchedExecutor, WatchedHandler, WatchedLanes, Witness

START = datetime(2030, 1, 1, tzinfo=UTC)
LEASE = 10 * 366 * 86_400.0
ALL = 1_000_000
LAST_WORDS_SECONDS = 0.5


class Moment(msgspec.Struct, frozen=True):
    """When an attempt is disturbed: seconds after its start, or at the start of a stage; by default never."""

    interrupt_after: float | None = None
    interrupt_at: str | None = None
    lose_after: float | None = None
    """The worker dies: its handler is stopped without `cleanup`, and what it says is refused."""


class OneTask:
    """Enter it, then run `attempt` as often as the task waits for one."""

    def __init__(
        self,
        number: int,
        asked: Sequence[NewTask],
        kinds: Mapping[str, Kind],
        documents: dict[tuple[str, str], Kept],
    ) -> None:
        self._asked = asked
        self._new = asked[0]
        self._kinds = kinds
        self._kind = kinds[self._new.kind]
        self._skipped = 0.0
        self._epoch = 0
        self._store = MemoryStore(World(self._wall, last_id=number - 1, documents=documents))
        self._started: list[asyncio.Task[Any]] = []
        self._attempt = 0
        self.id = number

    async def __aenter__(self) -> Self:
        await self._join()
        for receipt in await self._store.queue.enqueue(self._asked):
            if receipt.task != self.id:
                raise AssertionError(
                    "these payloads would not join each other: their coalesce keys differ, or are None"
                )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._started:
            await _bury(task)

    async def attempt(self, moment: Moment, within: float) -> Run:
        """From its claim to its end in the store; AssertionError when it takes longer than `within` seconds."""
        claimed = await self._claim()
        handler = WatchedHandler(self._kind.handler)
        witness = Witness(self._store.queue, self._now)
        lanes = WatchedLanes(self._store.lanes, self._now)
        children = WatchedChildren(self._kinds, self._store.queue, self._now)
        means = Means(lanes, children, OneShelf(self._store.documents))
        others, began = asyncio.all_tasks(), self._now()
        witness.start()
        try:
            with nullcontext() if self._is_inline else real_time():
                end, rung = await self._execute(claimed, handler, witness, means, moment, within)
            await asyncio.sleep(0)
        finally:
            self._started += handler.tasks
            await witness.stop()
        facts = await self._store.library.task(self.id)
        assert facts is not None
        left = [task for task in asyncio.all_tasks() - others if task not in handler.tasks and self._is_inline]
        events, seconds = await self._events(claimed.attempt), self._now() - began
        heard = Heard(events, self._wall(began), tuple(witness.progress), children.made, lanes.visits, began, seconds)
        return record(claimed, facts, end, rung, heard, handler, left)

    @property
    def _is_inline(self) -> bool:
        return isinstance(self._kind.executor, Inline)

    async def _claim(self) -> Claimed:
        """This task, with what joined it; its children wait."""
        every = await self._store.queue.claim(self._epoch, self._new.pool, [self._new.kind], ALL)
        others = [Ended(one.id, one.attempt, Verdict.RETURNED, None) for one in every if one.id != self.id]
        await self._store.queue.finish(self._epoch, others)
        [claimed] = [one for one in every if one.id == self.id]
        joined = (await self._store.queue.joined([self.id])).get(self.id, ())
        return msgspec.structs.replace(claimed, joined=tuple(one.payload for one in joined))

    async def wait(self, seconds: float) -> None:
        """Let a pause pass, on a real clock too, and make the task claimable."""
        if isinstance(asyncio.get_running_loop(), VirtualLoop):
            await asyncio.sleep(seconds)
        else:
            self._skipped += seconds
        beat = await self._store.cluster.beat(self._epoch, LEASE)
        assert beat.term is not None
        await self._store.queue.promote(Membership(self._epoch, beat.term), ALL)

    async def _execute(
        self,
        claimed: Claimed,
        handler: WatchedHandler,
        witness: Witness,
        means: Means,
        moment: Moment,
        within: float,
    ) -> tuple[Ended, Rung | None]:
        ended: asyncio.Future[Ended | None] = asyncio.get_running_loop().create_future()
        executor = self._kind.executor if self._is_inline else WatchedExecutor(self._kind.executor, handler)
        kind = msgspec.structs.replace(self._kind, handler=cast(Any, handler), executor=executor)
        nobody = cast(Dispatcher, None)
        execution = Execution(claimed, kind, self._epoch, nobody, witness, means, lambda _, end: ended.set_result(end))
        disturbing = [asyncio.create_task(each) for each in self._disturb(execution, witness, moment)]
        execution.start()
        try:
            async with asyncio.timeout(within):
                end = await ended
        except TimeoutError:
            raise AssertionError(
                f"{claimed.kind} had not ended after {within:g} s: interrupt it, or give it longer (within=…)"
            ) from None
        finally:
            for each in disturbing:
                each.cancel()
            await asyncio.gather(*disturbing, return_exceptions=True)
        if end is None:
            return await self._lost(claimed), None
        [settled] = await self._store.queue.finish(self._epoch, [end])
        end = msgspec.structs.replace(end, verdict=settled.verdict)
        return end, next((rung for rung, words in HOW.items() if end.message.startswith(words)), None)

    def _disturb(self, execution: Execution, witness: Witness, moment: Moment) -> list[Coroutine[Any, Any, None]]:
        acts = []
        if moment.interrupt_after is not None:
            acts.append(self._interrupt(execution, asyncio.sleep(moment.interrupt_after)))
        if moment.interrupt_at is not None:
            acts.append(self._interrupt(execution, witness.stage(moment.interrupt_at)))
        if moment.lose_after is not None:
            acts.append(self._lose(execution, moment.lose_after))
        return acts

    async def _interrupt(self, execution: Execution, moment: Coroutine[Any, Any, Any]) -> None:
        await moment
        asked = Asked(self.id, "the test", "")
        await self._store.queue.interrupt(asked)
        execution.interrupt(asked)

    async def _lose(self, execution: Execution, after: float) -> None:
        await asyncio.sleep(after)
        execution.fence()

    async def _lost(self, claimed: Claimed) -> Ended:
        crash_limits = {claimed.kind: self._kind.handler.crash_limit}
        await self._store.cluster.recover(self._epoch, crash_limits)
        await self._join()
        return Ended(claimed.id, claimed.attempt, Verdict.LOST, None, message="its worker was lost")

    async def _join(self) -> None:
        facts = NodeFacts("test", "test", 1, 1, (self._new.kind,))
        self._epoch = await self._store.cluster.join(facts, LEASE)

    async def _events(self, attempt: int) -> list[EventFacts]:
        watched = Watched(self.id, after=sequence(attempt, 0))
        return (await self._store.library.events([watched], ALL)).get(self.id, [])

    def _now(self) -> float:
        return asyncio.get_running_loop().time() + self._skipped

    def _wall(self, now: float | None = None) -> datetime:
        return START + timedelta(seconds=self._now() if now is None else now)


async def _bury(task: asyncio.Task[Any]) -> None:
    """End what an abandoned handler still does; one that can't be ended is nobody's business any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=LAST_WORDS_SECONDS)
    if not task.done():
        # Otherwise the loop's own end would wait for it for ever.
        asyncio.tasks._unregister_task(task)
        # Freeing it would enter its code once more, and one that catches everything in a loop never leaves again.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))
