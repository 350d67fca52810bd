"""The Lanes contract: one holder at a time, first come first served, and a fence that only grows."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from windlass.core.lifecycle import Verdict
from windlass.errors import AttemptSuperseded, TaskOver
from windlass.store.facts import Claimed, Ended
from windlass.store.lanes import Entrant, LaneFacts, Turn
from windlass.store.port import Store

from tests.contract.conftest import Door
from tests.contract.facts import ask, claim, ended, expire, held, node_of, recovered, stored
from tests.waiting import eventually

LANE = "entities"
CONNECTIONS = 8
HAND_OVERS = 60


def at(claimed: Claimed, node: int, lane: str = LANE) -> Entrant:
    return Entrant(lane, claimed.id, claimed.attempt, node)


async def entrants(store: Store, node: int, count: int) -> list[Entrant]:
    """So many running attempts before the lane."""
    await stored(store, count)
    return [at(claimed, node) for claimed in await claim(store, node)]


async def the_lane(store: Store) -> LaneFacts:
    [lane] = await store.lanes.lanes()
    return lane


async def test_lanes_are_read_a_page_at_a_time_by_name(store: Store) -> None:
    node = await node_of(store)
    for entrant, lane in zip(await entrants(store, node, 4), ("c", "a", "d", "b"), strict=True):
        await store.lanes.enter(Entrant(lane, entrant.task, entrant.attempt, node))

    async def names(after: str, limit: int | None) -> list[str]:
        return [lane.name for lane in await store.lanes.lanes(after, limit) if lane.holder is not None]

    assert await names("", None) == ["a", "b", "c", "d"]
    assert await names("", 3) == ["a", "b", "c"]
    assert await names("a", 2) == ["b", "c"]
    assert await names("c", 2) == ["d"]
    assert await names("d", 2) == []


async def test_a_free_lane_is_taken_at_once_and_every_holder_gets_the_next_fence(store: Store) -> None:
    for fence, entrant in enumerate(await entrants(store, await node_of(store), 3), start=1):
        assert await store.lanes.enter(entrant) == Turn(fence, 0, entrant.task)
        await store.lanes.leave(entrant)


async def test_who_comes_while_it_is_held_waits_and_learns_where_and_for_whom(store: Store, other: Store) -> None:
    first, second, third = await entrants(store, await node_of(store), 3)
    await store.lanes.enter(first)
    assert await other.lanes.enter(second) == Turn(None, 1, first.task)
    assert await store.lanes.enter(third) == Turn(None, 2, first.task)


async def test_the_first_to_come_is_the_first_served_whoever_asks_first_afterwards(store: Store, other: Store) -> None:
    first, second, third, late = await entrants(store, await node_of(store), 4)
    for entrant in (first, second, third):
        await store.lanes.enter(entrant)
    await other.lanes.leave(first)
    assert await other.lanes.enter(late) == Turn(None, 3, None)
    assert await other.lanes.enter(third) == Turn(None, 2, None)
    assert await store.lanes.enter(second) == Turn(2, 0, second.task)
    assert await store.lanes.enter(late) == Turn(None, 2, second.task)


async def test_lanes_of_different_names_know_nothing_of_each_other(store: Store) -> None:
    node = await node_of(store)
    [a, b] = await entrants(store, node, 2)
    b = Entrant("pages", b.task, b.attempt, b.node)
    assert (await store.lanes.enter(a)).fence == (await store.lanes.enter(b)).fence == 1


async def test_entering_again_after_a_lost_reply_gives_the_same_answer(store: Store, other: Store) -> None:
    first, second, third = await entrants(store, await node_of(store), 3)
    for _ in range(3):
        assert await other.lanes.enter(first) == Turn(1, 0, first.task)
    await store.lanes.enter(third)
    for _ in range(3):
        assert await other.lanes.enter(second) == Turn(None, 2, first.task)
    assert len((await the_lane(store)).waiters) == 2


async def test_leaving_again_after_a_lost_reply_harms_nobody(store: Store) -> None:
    first, second, third = await entrants(store, await node_of(store), 3)
    for entrant in (first, second, third):
        await store.lanes.enter(entrant)
    for _ in range(3):
        await store.lanes.leave(first)
    assert (await store.lanes.enter(second)).fence == 2
    await store.lanes.leave(first)
    await store.lanes.leave(Entrant("nobody's", 1, 1, 1))
    assert await store.lanes.holds(second, 2)
    assert await store.lanes.enter(third) == Turn(None, 1, second.task)


async def test_a_waiter_that_gives_up_loses_its_place(store: Store) -> None:
    first, second, third = await entrants(store, await node_of(store), 3)
    for entrant in (first, second, third):
        await store.lanes.enter(entrant)
    await store.lanes.leave(second)
    assert await store.lanes.enter(third) == Turn(None, 1, first.task)
    assert await store.lanes.enter(second) == Turn(None, 2, first.task)


async def test_an_attempt_that_does_not_run_is_refused(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    for zombie in (
        Entrant(LANE, claimed.id, claimed.attempt - 1, node),
        Entrant(LANE, claimed.id, claimed.attempt, node + 1),
        Entrant(LANE, claimed.id + 1, claimed.attempt, node),
    ):
        with pytest.raises(AttemptSuperseded):
            await store.lanes.enter(zombie)
    assert await the_lane(store) == LaneFacts(LANE, 0, None, ())


async def test_a_holder_that_has_ended_is_replaced_without_having_left(store: Store) -> None:
    node = await node_of(store)
    first, second = await held(store, node), await held(store, node)
    await store.lanes.enter(at(first, node))
    await store.lanes.enter(at(second, node))
    await store.queue.finish(node, [ended(first)])
    assert not await store.lanes.holds(at(first, node), 1)
    assert await store.lanes.enter(at(second, node)) == Turn(2, 0, second.id)
    with pytest.raises(AttemptSuperseded):
        await store.lanes.enter(at(first, node))
    await store.lanes.leave(at(first, node))
    assert await store.lanes.holds(at(second, node), 2), "a late good-bye freed another's lane"


async def test_a_holder_whose_node_was_lost_is_replaced_once_its_task_was_taken_back(store: Store) -> None:
    dead, node = await node_of(store), await node_of(store, pid=2)
    lost, waits = await held(store, dead), await held(store, node)
    await store.lanes.enter(at(lost, dead))
    expire(store, dead)
    assert (await store.lanes.enter(at(waits, node))).fence is None, "only recovery may say that it no longer runs"
    await recovered(store, 1)
    assert await store.lanes.called([at(waits, node)]) == {at(waits, node)}
    assert (await store.lanes.enter(at(waits, node))).fence == 2
    [again] = await claim(store, node)
    assert await store.lanes.enter(at(again, node)) == Turn(None, 1, waits.id), "a new attempt comes last"


async def test_dead_waiters_are_passed_over_and_removed(store: Store) -> None:
    dead, node = await node_of(store), await node_of(store, pid=2)
    first = await held(store, node)
    await store.lanes.enter(at(first, node))
    lost = await held(store, dead)
    await store.lanes.enter(at(lost, dead))
    last = await held(store, node)
    assert await store.lanes.enter(at(last, node)) == Turn(None, 2, first.id)
    await store.cluster.leave(dead)
    await recovered(store, 1)
    assert [waiter.task for waiter in (await the_lane(store)).waiters] == [last.id]
    assert await store.lanes.enter(at(last, node)) == Turn(None, 1, first.id)
    await store.lanes.leave(at(first, node))
    assert (await store.lanes.enter(at(last, node))).fence == 2


async def test_an_interrupt_leaves_the_lane_to_its_holder_until_the_task_ends(store: Store) -> None:
    node = await node_of(store)
    first, second = await held(store, node), await held(store, node)
    await store.lanes.enter(at(first, node))
    await store.lanes.enter(at(second, node))
    await ask(store, first.id)
    await ask(store, second.id)
    assert await store.lanes.holds(at(first, node), 1)
    assert (await store.lanes.enter(at(second, node))).fence is None
    await store.queue.finish(node, [ended(first, Verdict.CANCELED)])
    assert (await store.lanes.enter(at(second, node))).fence == 2


async def test_only_the_holder_under_its_own_fence_holds(store: Store) -> None:
    first, second = await entrants(store, await node_of(store), 2)
    await store.lanes.enter(first)
    await store.lanes.enter(second)
    assert await store.lanes.holds(first, 1)
    assert not await store.lanes.holds(first, 2)
    assert not await store.lanes.holds(second, 1)
    await store.lanes.leave(first)
    assert not await store.lanes.holds(first, 1)


async def test_only_those_are_called_whom_entering_would_bring_further(store: Store) -> None:
    node = await node_of(store)
    first, second, third, stranger = await entrants(store, node, 4)
    for entrant in (first, second, third):
        await store.lanes.enter(entrant)
    assert await store.lanes.called([second, third]) == set()
    assert await store.lanes.called([]) == set()
    await store.lanes.leave(first)
    assert await store.lanes.called([second, third]) == {second}
    ghost = Entrant(LANE, third.task, third.attempt + 1, node)
    assert await store.lanes.called([third, stranger, ghost]) == {stranger, ghost}


async def test_a_waiter_that_no_longer_runs_is_called_to_learn_it(store: Store) -> None:
    node = await node_of(store)
    first, second = await held(store, node), await held(store, node)
    await store.lanes.enter(at(first, node))
    await store.lanes.enter(at(second, node))
    await store.queue.finish(node, [ended(second)])
    assert await store.lanes.called([at(second, node)]) == {at(second, node)}


async def test_people_see_who_is_inside_and_who_waits_in_order(store: Store) -> None:
    node = await node_of(store, name="host/7")
    first, second, third = await entrants(store, node, 3)
    await store.lanes.enter(Entrant("a free one", first.task, first.attempt, node))
    await store.lanes.leave(Entrant("a free one", first.task, first.attempt, node))
    for entrant in (first, second, third):
        await store.lanes.enter(entrant)
    free, lane = await store.lanes.lanes()
    assert free == LaneFacts("a free one", 1, None, ())
    assert (lane.name, lane.fence) == (LANE, 1)
    assert lane.holder is not None
    assert (lane.holder.task, lane.holder.attempt, lane.holder.node) == (first.task, 1, "host/7")
    assert [waiter.task for waiter in lane.waiters] == [second.task, third.task]
    assert lane.holder.since <= lane.waiters[0].since <= lane.waiters[1].since


@pytest.mark.parametrize("door", ["memory", "postgres"], indirect=True)
async def test_a_store_hears_when_another_leaves_the_lane_or_its_line(store: Store, other: Store) -> None:
    heard: list[str] = []

    async def listen() -> None:
        async for word in other.hints():
            heard.append(word)  # noqa: PERF401 - it is looked at while it grows

    listening = asyncio.create_task(listen())
    await eventually(lambda: heard == [""])
    first, second = await entrants(store, await node_of(store), 2)
    await store.lanes.enter(first)
    await store.lanes.enter(second)
    await store.lanes.leave(second)
    await eventually(lambda: heard.count("lane") == 1)
    await store.lanes.leave(first)
    await eventually(lambda: heard.count("lane") == 2)
    listening.cancel()


async def test_of_eight_who_come_at_once_to_a_free_lane_one_is_let_in_and_the_others_stand_in_one_line(
    door: Door,
) -> None:
    stores = [await door() for _ in range(CONNECTIONS)]
    runs = await entrants(stores[0], await node_of(stores[0]), CONNECTIONS)
    for round_ in range(30):
        newcomers = [Entrant(f"lane {round_}", one.task, one.attempt, one.node) for one in runs]
        turns = await asyncio.gather(*(store.lanes.enter(one) for store, one in zip(stores, newcomers, strict=True)))
        assert sorted(turn.position for turn in turns) == list(range(CONNECTIONS))
        assert [turn.fence for turn in turns if turn.position == 0] == [1]
    for store in stores:
        await store.close()


class Race:
    """Publishers that hand one lane over to each other."""

    def __init__(self, node: int) -> None:
        self.node = node
        self.fences: list[int] = []
        self.inside = self.most_inside = 0

    async def run(self, store: Store, mine: list[Entrant]) -> None:
        for entrant in mine:
            fence = await self._fence(store, entrant)
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            self.fences.append(fence)
            assert await store.lanes.holds(entrant, fence)
            await asyncio.sleep(0)
            self.inside -= 1
            await self._hand_over(store, entrant, fence)

    async def _fence(self, store: Store, entrant: Entrant) -> int:
        async def entered() -> int | None:
            return (await store.lanes.enter(entrant)).fence if await store.lanes.called([entrant]) else None

        turn = await store.lanes.enter(entrant)
        return turn.fence or await eventually(entered, 60) or 0

    async def _hand_over(self, store: Store, entrant: Entrant, fence: int) -> None:
        """Some leave, some only end, and some do both."""
        if fence % 3:
            await store.lanes.leave(entrant)
        if fence % 2 or not fence % 3:
            await store.queue.finish(self.node, [Ended(entrant.task, entrant.attempt, Verdict.SUCCESS, 0.0)])


async def test_in_a_race_of_eight_stores_nobody_overlaps_and_no_fence_is_left_out(door: Door) -> None:
    stores = [await door() for _ in range(CONNECTIONS)]
    node = await node_of(stores[0])
    runs = await entrants(stores[0], node, CONNECTIONS * HAND_OVERS)
    await stored(stores[0], CONNECTIONS * HAND_OVERS)
    others = await claim(stores[0], node)
    race = Race(node)

    async def finish() -> None:
        for start in range(0, len(others), 20):
            await stores[0].queue.finish(node, [ended(one) for one in others[start : start + 20]])

    async def interrupt() -> None:
        for entrant in reversed(runs[::5]):
            with suppress(TaskOver):
                await ask(stores[1], entrant.task)

    publishers = [race.run(store, runs[n::CONNECTIONS]) for n, store in enumerate(stores)]
    await asyncio.gather(*publishers, finish(), interrupt())
    assert race.most_inside == 1
    assert race.fences == list(range(1, len(runs) + 1))
    for store in stores:
        await store.close()
