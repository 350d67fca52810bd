"""A node that somebody drains: it finishes what it runs, takes nothing more, and can be resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from windlass import Context, Outcome, Success
from windlass.core.lifecycle import State
from windlass.host.kernel import Kernel
from windlass.host.maintenance import leadership
from windlass.store.roster import NodeEntry, NodeState

from tests.contract.facts import new_task
from tests.host.rig import Rig, asked, stop
from tests.waiting import eventually

MINUTES = 600.0


async def succeeds(ctx: Context) -> Outcome:
    return Success()


class Stays:
    """A play that lasts until its end is allowed."""

    def __init__(self) -> None:
        self.finish = asyncio.Event()

    async def __call__(self, ctx: Context) -> Outcome:
        await self.finish.wait()
        return Success()

    __name__ = "stays"


def epoch(kernel: Kernel) -> int:
    assert kernel.node.epoch is not None
    return kernel.node.epoch


async def entry(rig: Rig, kernel: Kernel) -> NodeEntry:
    return next(one for one in await rig.store.roster.nodes(MINUTES) if one.id == epoch(kernel))


async def drained(kernel: Kernel, within: float = 5.0) -> None:
    await eventually(lambda: kernel.node._is_drained, within)


async def test_a_drained_node_finishes_what_runs_and_takes_nothing_more_until_it_is_resumed(rig: Rig) -> None:
    kernel, stays = await rig.start(slots=1), Stays()
    running = await rig.enqueue(stays)
    await rig.began(running)
    waiting = await rig.enqueue(succeeds)
    await kernel.valves.drain_node(epoch(kernel))
    await drained(kernel)
    assert (await entry(rig, kernel)).state is NodeState.DRAINING
    stays.finish.set()
    assert (await rig.ended(running)).state is State.COMPLETED
    for _ in range(20):
        kernel.node.look()
        await kernel.node.sharing.settle()
    facts = await rig.task(waiting)
    assert (facts.state, facts.attempt - facts.uncounted) == (State.PENDING, 0)
    assert [gate.why for gate in await kernel.explain(waiting)] == ["the one live node that has kind Play is drained"]
    await kernel.valves.resume_node(epoch(kernel))
    assert (await rig.ended(waiting)).state is State.COMPLETED
    assert (await entry(rig, kernel)).state is NodeState.LIVE


async def test_what_was_claimed_and_not_started_goes_back_uncounted(rig: Rig) -> None:
    kernel, stays = await rig.start(slots=1), Stays()
    await rig.began(await rig.enqueue(stays))
    dispatcher = kernel.node.dispatchers[0]
    ahead = await rig.enqueue(succeeds)
    [claimed] = await rig.store.queue.claim(epoch(kernel), "default", ["Play"], 1)
    dispatcher._heap.append((-claimed.priority, claimed.next_try_at, claimed.id, claimed))
    await kernel.valves.drain_node(epoch(kernel))
    await drained(kernel)

    async def is_back() -> bool:
        return rig.execute("select attempt, uncounted from windlass.ready where id = %s", ahead) == [(1, 1)]

    await eventually(is_back)
    stays.finish.set()


async def test_another_node_is_told_at_once_by_a_hint(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "BEAT_SECONDS", 3_600.0)
    one = await rig.start()
    two = await rig.start(store=await rig.another_store())
    await eventually(lambda: two.node.leadership._bell._waiter is not None)
    await one.valves.drain_node(epoch(two))
    await drained(two)
    assert not one.node._is_drained
    task = await rig.enqueue(succeeds)
    assert (await rig.ended(task)).node == (await entry(rig, one)).name
    await one.valves.resume_node(epoch(two))
    await eventually(lambda: not two.node._is_drained)


class Deaf:
    """A store that hears no hints, as behind a pooler."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def hints(self) -> AsyncIterator[str]:
        yield ""
        await asyncio.get_running_loop().create_future()


async def test_a_node_that_hears_no_hint_finds_out_within_two_seconds(rig: Rig) -> None:
    kernel = await rig.start(store=Deaf(await rig.another_store()))  # type: ignore[arg-type]
    await rig.store.cluster.drain(epoch(kernel), draining=True)
    await drained(kernel, within=2.0)


async def test_a_drained_node_leaves_its_slots_to_the_others(rig: Rig) -> None:
    one = await rig.start(slots=4)
    two = await rig.start(slots=4, store=await rig.another_store())
    await rig.shared(2, 2)
    await one.valves.drain_node(epoch(two))
    await drained(two)
    stays = Stays()
    for _ in range(6):
        await rig.enqueue(stays)
    await eventually(lambda: rig.theatre.playing == 4)
    assert one.node.dispatchers[0].executing == 4
    assert two.node.dispatchers[0].executing == 0
    stays.finish.set()


async def test_a_full_node_that_is_drained_asks_for_no_more_and_gives_back_what_ends(rig: Rig) -> None:
    one = await rig.start(slots=4)
    two = await rig.start(slots=4, store=await rig.another_store())
    await rig.shared(2, 2)
    stays = Stays()
    for _ in range(8):
        await rig.enqueue(stays)
    await eventually(lambda: rig.theatre.playing == 4)
    assert two.node.dispatchers[0].executing == 2
    await one.valves.drain_node(epoch(two))
    await drained(two)
    first = next(iter(two.node._executions))
    await rig.store.queue.interrupt(asked(first))
    two.node.interrupted()
    await eventually(lambda: one.node.dispatchers[0].executing == 3, within=10)
    assert two.node.dispatchers[0].executing <= 1
    stays.finish.set()


async def test_a_drained_node_that_loses_its_lease_is_drained_as_somebody_else(rig: Rig) -> None:
    kernel = await rig.start()
    first = epoch(kernel)
    await kernel.valves.drain_node(first)
    await drained(kernel)
    await rig.store.cluster.leave(first)
    kernel.node._lease_lost(first)
    await eventually(lambda: kernel.node.epoch not in (None, first))
    await kernel.node.leadership.beat()
    assert kernel.node._is_drained
    assert (await entry(rig, kernel)).state is NodeState.DRAINING
    await kernel.valves.resume_node(epoch(kernel))
    await rig.ended(await rig.enqueue(succeeds))


async def test_a_node_that_shuts_down_is_seen_to_drain(rig: Rig) -> None:
    kernel, stays = await rig.start(drain_grace=20.0), Stays()
    await rig.began(await rig.enqueue(stays))
    stopping = asyncio.create_task(stop(kernel))

    async def is_seen() -> bool:
        return (await entry(rig, kernel)).state is NodeState.DRAINING

    await eventually(is_seen)
    stays.finish.set()
    await stopping
    [gone] = await rig.store.roster.nodes(MINUTES)
    assert gone.state is NodeState.LEFT


async def test_a_drained_node_still_leads_and_takes_requests(rig: Rig) -> None:
    kernel = await rig.start()
    await kernel.valves.drain_node(epoch(kernel))
    await drained(kernel)
    receipt = await kernel.enqueuer.enqueue(new_task(kind="Noop"))
    assert kernel.node.leadership.membership() is not None
    assert (await rig.task(receipt.task)).state is State.PENDING
