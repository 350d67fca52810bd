"""The drain: what runs finishes within the grace, the rest is handed back uncounted, and nothing is stranded."""

from __future__ import annotations

import asyncio
import time

import pytest
from windlass import Context, Outcome, Success
from windlass.core.interrupts import Graces
from windlass.core.lifecycle import State, Verdict
from windlass.host import worker

from tests.contract.facts import new_task
from tests.host.handlers import Player
from tests.host.rig import ForgetfulQueue, Rig, SlowClaims, stop
from tests.waiting import eventually


async def succeeds(ctx: Context) -> Outcome:
    return Success()


async def test_what_runs_may_finish_within_the_grace(rig: Rig) -> None:
    finish = asyncio.Event()

    async def works(ctx: Context) -> Outcome:
        await finish.wait()
        return Success()

    kernel = await rig.start(drain_grace=20.0)
    task = await rig.enqueue(works)
    await rig.began(task)
    draining = asyncio.create_task(stop(kernel))
    await eventually(lambda: kernel.node._draining)
    finish.set()
    began = time.monotonic()
    await draining
    assert (await rig.task(task)).state is State.COMPLETED
    assert time.monotonic() - began < 5, "the drain waited although nothing ran"


async def test_a_resident_is_asked_to_end_at_once_and_handed_back_uncounted(rig: Rig) -> None:
    async def listens(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        await ctx.step("the last words")
        return Success()

    kernel = await rig.start(drain_grace=20.0)
    tasks = [await rig.enqueue(listens, attempt_limit=1, trigger="resident") for _ in range(2)]
    for task in tasks:
        await rig.began(task)
    began = time.monotonic()
    await stop(kernel)
    assert time.monotonic() - began < 5, "nobody waits for the end of what has none"
    for task in tasks:
        facts = await rig.task(task)
        assert (facts.state, facts.attempt, facts.uncounted) == (State.PENDING, 1, 1)


async def test_a_draining_node_claims_nothing(rig: Rig) -> None:
    async def works(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    kernel = await rig.start(drain_grace=20.0)
    await rig.began(await rig.enqueue(works))
    draining = asyncio.create_task(stop(kernel))
    await eventually(lambda: kernel.node._draining)
    task = await rig.enqueue(succeeds)
    kernel.node.look()
    rig.theatre.released.set()
    await draining
    facts = await rig.task(task)
    assert (facts.state, facts.attempt) == (State.PENDING, 0)


async def test_what_does_not_finish_is_handed_back_uncounted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LAST_WORDS_SECONDS", 0.5)

    async def works(ctx: Context) -> Outcome:
        await asyncio.Event().wait()
        return Success()

    async def stubborn(ctx: Context) -> Outcome:
        await rig.theatre.stay()
        return Success({"late": True})

    kernel = await rig.start(drain_grace=0.2)
    tasks = [await rig.enqueue(works, attempt_limit=1), await rig.enqueue(stubborn, attempt_limit=1)]
    for task in tasks:
        await rig.began(task)
    began = time.monotonic()
    await stop(kernel)
    assert time.monotonic() - began < 0.2 + 2.0
    for task in tasks:
        facts = await rig.task(task)
        assert (facts.state, facts.attempt, facts.uncounted) == (State.PENDING, 1, 1)
        card = await rig.store.library.card(task)
        assert card is not None
        assert [(a.verdict, a.message) for a in card.attempts] == [(Verdict.RETURNED, "handed back by a shutdown")]
    assert rig.count("running") == 0
    rig.theatre.released.set()
    await eventually(lambda: rig.theatre.playing == 0)
    await rig.start(store=await rig.another_store())
    assert (await rig.ended(tasks[1])).attempt == 2, "one attempt is allowed, and none of them counted"


async def test_a_resident_that_does_not_listen_holds_up_no_drain(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Player, "graces", Graces(ask=0.2))

    async def never(ctx: Context) -> Outcome:
        await asyncio.Event().wait()
        return Success()

    kernel = await rig.start(drain_grace=20.0)
    task = await rig.enqueue(never, trigger="resident")
    await rig.began(task)
    began = time.monotonic()
    await stop(kernel)
    assert time.monotonic() - began < 5
    assert (await rig.task(task)).state is State.PENDING


async def test_what_was_claimed_ahead_is_returned_as_if_it_had_not_been(rig: Rig) -> None:
    async def works(ctx: Context) -> Outcome:
        await asyncio.Event().wait()
        return Success()

    kernel = await rig.start(slots=1)
    await rig.began(await rig.enqueue(works))
    dispatcher, *_ = kernel.node.dispatchers
    task = await rig.enqueue(succeeds)
    epoch = kernel.node._may_claim()
    assert epoch is not None
    assert await dispatcher._claim(epoch, 1) == 1
    await stop(kernel)
    facts = await rig.task(task)
    assert (facts.state, facts.attempt, facts.uncounted) == (State.PENDING, 1, 1)
    assert (rig.count("running"), rig.count("attempt")) == (0, 1), "only the one that had begun is an attempt"


async def test_a_claim_on_its_way_when_the_drain_begins_strands_nothing(rig: Rig) -> None:
    queue = SlowClaims(rig.store.queue)
    rig.store.queue = queue  # type: ignore[assignment]
    kernel = await rig.start()
    task = await rig.enqueue(succeeds)
    await asyncio.wait_for(queue.committed.wait(), 5)
    draining = asyncio.create_task(stop(kernel))
    await eventually(lambda: kernel.node._draining)
    queue.let_go.set()
    await draining
    assert rig.count("running") == 0, "a task is held by a node that is gone"
    facts = await rig.task(task)
    assert (facts.state, facts.attempt - facts.uncounted) == (State.PENDING, 0)
    assert rig.theatre.began == []


async def test_a_drain_under_load_strands_nothing(rig: Rig) -> None:
    kernel = await rig.start(slots=20)
    for _ in range(300):
        await rig.enqueue(succeeds)
    await eventually(lambda: len(rig.theatre.began) > 20)
    await stop(kernel)
    assert rig.count("running") == 0
    assert rig.count("outcome") + rig.count("ready") == 300
    assert rig.count("outcome") == len(rig.theatre.began)


async def test_an_enqueue_taken_before_the_drain_is_answered(rig: Rig) -> None:
    kernel = await rig.start()
    answers = [asyncio.create_task(kernel.enqueuer.enqueue(new_task())) for _ in range(50)]
    await asyncio.sleep(0)
    await stop(kernel)
    assert len({(await answer).task for answer in answers}) == 50 == rig.count("task")


async def test_a_node_that_leaves_says_so(rig: Rig) -> None:
    kernel = await rig.start()
    await stop(kernel)
    assert rig.execute("select count(*) from windlass.node where left_at is null") == [(0,)]


async def test_a_database_that_is_gone_does_not_keep_the_drain_for_ever(rig: Rig) -> None:
    queue = ForgetfulQueue(rig.store.queue, finish=1_000)
    rig.store.queue = queue  # type: ignore[assignment]
    kernel = await rig.start()
    await rig.enqueue(succeeds)
    await eventually(lambda: queue.lost["finish"])
    began = time.monotonic()
    await stop(kernel)
    assert time.monotonic() - began < 15


async def test_a_stubborn_handler_with_words_left_and_no_database_does_not_keep_the_drain_for_ever(
    monkeypatch: pytest.MonkeyPatch, rig: Rig
) -> None:
    monkeypatch.setattr(worker, "LAST_WORDS_SECONDS", 0.2)

    async def ignores_everything(ctx: Context) -> Outcome:
        while not rig.theatre.released.is_set():
            try:
                await rig.theatre.released.wait()
            except asyncio.CancelledError:
                await ctx.step("I stay")
        return Success()

    queue = ForgetfulQueue(rig.store.queue, say=1_000, finish=1_000)
    rig.store.queue = queue  # type: ignore[assignment]
    kernel = await rig.start()
    await rig.began(await rig.enqueue(ignores_everything))
    await asyncio.wait_for(stop(kernel), 15)


async def test_a_node_that_left_does_not_join_again(rig: Rig) -> None:
    kernel = await rig.start()
    kernel.node.hinted("interrupt")
    await kernel.stop()
    assert rig.execute("select count(*), count(left_at) from windlass.node") == [(1, 1)]
