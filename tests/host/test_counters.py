"""A node's counts: each thing once, written once a second when something changed, none lost with an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import msgspec
import pytest
from windlass import Context, Failed, Outcome, Retry, Success
from windlass.core.lifecycle import Verdict
from windlass.errors import StoreUnavailable
from windlass.host.counters import Counters
from windlass.store.facts import Settled
from windlass.store.memory import MemoryStore, World
from windlass.store.statistics import Counts, Statistics

from tests.contract.facts import claim, expire, new_task, node_of, stored
from tests.host.rig import Rig, asked, stop
from tests.waiting import eventually


async def test_everything_that_happens_to_tasks_is_counted_once(rig: Rig) -> None:
    async def succeeds(ctx: Context) -> Outcome:
        return Success()

    async def fails(ctx: Context) -> Outcome:
        return Failed("no")

    async def succeeds_later(ctx: Context) -> Outcome:
        return Success() if ctx.task.attempt > 1 else Retry("not yet")

    async def waits(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    kernel = await rig.start()
    for play in (succeeds, fails, succeeds_later):
        await rig.ended(await rig.enqueue(play))
    running = await rig.enqueue(waits)
    await rig.began(running)
    await kernel.interrupt(asked(running))
    await rig.ended(running)
    await kernel.node.counters.flush()
    expected = Counts("default", "Play", 4, 5, 5, succeeded=2, failed=1, retried=1, canceled=1)

    async def all_counted() -> bool:
        found = await rig.store.statistics.counts()
        return [msgspec.structs.replace(one, waited_ms=0) for one in found] == [expected]

    await eventually(all_counted)


async def test_a_repeated_request_is_counted_once(rig: Rig) -> None:
    kernel = await rig.start()
    await rig.store.pools.pause_pool("default", "a test", "it is to stay where it is")
    again = new_task(request_id=uuid4())
    for _ in range(3):
        await kernel.enqueuer.enqueue(again)
        await kernel.enqueuer.enqueue_batch([again])
    await kernel.node.counters.flush()
    assert await rig.store.statistics.counts() == [Counts("default", "Noop", enqueued=1)]


async def test_a_node_that_stops_writes_its_last_counts_first(rig: Rig) -> None:
    kernel = await rig.start()
    await kernel.enqueuer.enqueue(new_task())
    await eventually(lambda: rig.count("outcome") == 1)
    await stop(kernel)
    [counted] = await rig.store.statistics.counts()
    assert (counted.enqueued, counted.claimed, counted.succeeded) == (1, 1, 1)


async def test_what_a_lost_node_held_is_counted_as_lost(rig: Rig) -> None:
    lost = await node_of(rig.store)
    await stored(rig.store, 2)
    await claim(rig.store, lost)
    expire(rig.store, lost)
    kernel = await rig.start(pools={"other": 1})
    await kernel.node.counters.flush()
    assert await rig.store.statistics.counts() == [Counts("", "", lost=2)]


class Wire:
    """Statistics whose flushes are seen, and can be made to fail."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self.flushes: list[list[Counts]] = []
        self.answers_lost = 0

    async def flush(self, node: int, counts: Sequence[Counts]) -> bool:
        self.flushes.append(list(counts))
        accepted = await self._statistics.flush(node, counts)
        if self.answers_lost:
            self.answers_lost -= 1
            raise StoreUnavailable("the answer got lost")
        return accepted

    def __getattr__(self, name: str) -> Callable[..., object]:
        return partial(getattr(self._statistics, name))


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore(World(lambda: datetime.now(UTC)))


@pytest.fixture
def wire(memory: MemoryStore) -> Wire:
    return Wire(memory.statistics)


def counters_of(wire: Wire, epochs: list[int]) -> Counters:
    """Of a node whose epoch is the last of these."""
    return Counters(wire, lambda: epochs[-1])  # type: ignore[arg-type]


async def test_nothing_is_written_when_nothing_has_changed(memory: MemoryStore, wire: Wire) -> None:
    counters = counters_of(wire, [await node_of(memory)])
    await counters.flush()
    assert wire.flushes == []
    counters.enqueued([new_task()] * 3)
    for _ in range(3):
        await counters.flush()
    assert wire.flushes == [[Counts("default", "Noop", enqueued=3)]]


async def test_only_what_has_changed_is_written(memory: MemoryStore, wire: Wire) -> None:
    counters = counters_of(wire, [await node_of(memory)])
    counters.enqueued([new_task(), new_task(pool="feeds")])
    await counters.flush()
    counters.enqueued([new_task()])
    await counters.flush()
    assert wire.flushes[-1] == [Counts("default", "Noop", enqueued=2)]


async def test_a_flush_whose_answer_was_lost_is_repeated_and_counts_once(memory: MemoryStore, wire: Wire) -> None:
    counters = counters_of(wire, [await node_of(memory)])
    counters.enqueued([new_task()])
    wire.answers_lost = 1
    with pytest.raises(StoreUnavailable):
        await counters.flush()
    await counters.flush()
    assert await memory.statistics.counts() == [Counts("default", "Noop", enqueued=1)]


async def test_an_epoch_that_was_lost_hands_its_unwritten_counts_to_the_next(memory: MemoryStore, wire: Wire) -> None:
    epochs = [await node_of(memory)]
    counters = counters_of(wire, epochs)
    counters.enqueued([new_task()] * 5)
    await counters.flush()
    counters.enqueued([new_task()] * 2)
    expire(memory, epochs[0])
    await counters.flush()
    epochs.append(await node_of(memory))
    await counters.flush()
    assert wire.flushes[-1] == [Counts("default", "Noop", enqueued=2)]
    assert await memory.statistics.counts() == [Counts("default", "Noop", enqueued=7)]


async def test_an_end_that_comes_after_its_epoch_is_not_counted(memory: MemoryStore, wire: Wire) -> None:
    node = await node_of(memory)
    counters = counters_of(wire, [node])
    [task] = await stored(memory)
    counters.claimed("default", await claim(memory, node))
    counters.forget_held()
    counters.settled([Settled(task, Verdict.SUCCESS)])
    await counters.flush()
    assert await memory.statistics.counts() == [Counts("default", "Noop", claimed=1)]


async def test_how_long_a_task_was_due_before_it_started_is_added_up(memory: MemoryStore, wire: Wire) -> None:
    node = await node_of(memory)
    counters = counters_of(wire, [node])
    for _ in range(2):
        await stored(memory)
    claimed = await claim(memory, node)
    for task, late in zip(claimed, (5.0, -5.0), strict=True):
        counters.claimed("default", [task])
        due = datetime.now(UTC) - timedelta(seconds=late)
        counters.started(msgspec.structs.replace(task, next_try_at=due))
    await counters.flush()
    [found] = await memory.statistics.counts()
    assert found.started == 2
    assert 5000 <= found.waited_ms < 6000, "clocks that differ take nothing away"
