"""Several kernels on one database, and the limit of a pool."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

from windlass import Context, Outcome, Success

from tests.contract.facts import new_task
from tests.host.rig import Rig
from tests.waiting import eventually


async def test_two_kernels_drain_2_000_tasks_and_run_each_once(rig: Rig) -> None:
    await rig.start(slots=20)
    await rig.start(slots=20, store=await rig.another_store())
    await rig.shared(10, 10)
    outside = await rig.another_store()
    for _ in range(4):
        await outside.queue.enqueue([new_task()] * 500)
    await eventually(lambda: rig.count("outcome") == 2_000, within=20)
    assert len(rig.theatre.began) == len(set(rig.theatre.began)) == 2_000
    assert {attempt for _, attempt in rig.theatre.began} == {1}
    assert (rig.count("ready"), rig.count("running"), rig.count("attempt")) == (0, 0, 0)
    by_node = Counter(node for (node,) in rig.execute("select node from windlass.outcome"))
    assert len(by_node) == 2, "one of the two did nothing"


async def test_a_pool_never_executes_more_than_its_slots(rig: Rig) -> None:
    async def works(ctx: Context) -> Outcome:
        for _ in range(3):
            await asyncio.sleep(0)
        return Success()

    tasks = [await rig.enqueue(works) for _ in range(150)]
    await rig.start(slots=3)
    for task in tasks:
        await rig.ended(task, within=20)
    assert rig.theatre.most_at_once == 3


async def test_a_full_pool_keeps_no_other_waiting(rig: Rig) -> None:
    async def waits(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    async def succeeds(ctx: Context) -> Outcome:
        return Success()

    await rig.start(pools={"default": 1, "feeds": 1})
    await rig.began(await rig.enqueue(waits))
    await rig.enqueue(waits)
    await rig.ended(await rig.enqueue(succeeds, pool="feeds"), within=3)


async def test_work_enqueued_through_another_store_is_started_by_its_hint(rig: Rig) -> None:
    kernel = await rig.start()
    other = await rig.another_store()
    await eventually(lambda: rig.execute("select pid from pg_stat_activity where query = 'listen windlass'"))
    dispatcher, *_ = kernel.node.dispatchers
    took = []
    loop = asyncio.get_running_loop()
    for n in range(5):
        began = loop.time()
        await other.queue.enqueue([new_task()])
        await eventually(partial(_began, rig, n + 1))
        took.append(loop.time() - began)
    assert sorted(took)[2] < 0.3, f"it waited for the poll: {took}"
    assert dispatcher.executing == 0


def _began(rig: Rig, count: int) -> bool:
    return len(rig.theatre.began) == count


async def test_a_lost_leader_is_followed_by_another(rig: Rig) -> None:
    first = await rig.start()
    second = await rig.start(store=await rig.another_store())
    assert first.node.leadership.membership()
    assert not second.node.leadership.membership()
    await first.drain()
    await first.stop()
    rig.kernels.remove(first)
    membership = await eventually(second.node.leadership.membership, within=5)
    assert membership is not None
    assert membership.term == 2
