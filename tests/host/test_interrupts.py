"""The ladder: an interrupted task ends, whatever its handler does, and its slot comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from windlass import Context, Failed, Outcome, Retry, Success
from windlass.core.lifecycle import State
from windlass.errors import AttemptSuperseded, TaskNotFound, TaskOver

from tests.host.rig import Rig, asked
from tests.waiting import eventually

STATE, STEP = 1, 3


async def succeeds(ctx: Context) -> Outcome:
    return Success()


async def test_a_handler_that_listens_ends_when_asked(rig: Rig) -> None:
    async def listens(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        await ctx.step("said good-bye")
        return Success({"half": True})

    kernel = await rig.start(slots=1)
    task = await rig.enqueue(listens)
    await rig.began(task)
    interrupted = await kernel.interrupt(asked(task, "no longer wanted"))
    assert interrupted.state is State.CANCELLING
    facts = await rig.ended(task)
    assert facts.state is State.CANCELED
    assert facts.message == "interrupted by ada: no longer wanted; it ended when asked"
    assert await rig.texts(task, STEP) == ["said good-bye"]
    assert "interrupt asked by ada: no longer wanted" in await rig.texts(task, STATE)


@pytest.mark.parametrize("outcome", [Failed("no"), Retry("again")])
async def test_an_interrupted_task_is_canceled_whatever_its_handler_returns(rig: Rig, outcome: Outcome) -> None:
    async def listens(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        return outcome

    kernel = await rig.start()
    task = await rig.enqueue(listens)
    await rig.began(task)
    await kernel.interrupt(asked(task))
    assert (await rig.ended(task)).state is State.CANCELED
    assert rig.theatre.attempts(task) == [1]


async def test_a_handler_that_does_not_listen_is_cancelled(rig: Rig) -> None:
    async def waits(ctx: Context) -> Outcome:
        await asyncio.Event().wait()
        return Success()

    kernel = await rig.start()
    task = await rig.enqueue(waits)
    await rig.began(task)
    await kernel.interrupt(asked(task))
    facts = await rig.ended(task)
    assert (facts.state, facts.message) == (State.CANCELED, "interrupted by ada; it was cancelled")


async def test_a_handler_that_ignores_everything_is_abandoned_and_its_slot_comes_back(rig: Rig) -> None:
    refused = asyncio.Event()

    async def ignores(ctx: Context) -> Outcome:
        await rig.theatre.stay()
        try:
            await ctx.step("a word from the grave")
        except AttemptSuperseded:
            refused.set()
        await ctx.output(b"more") if not refused.is_set() else None
        return Success({"late": True})

    kernel = await rig.start(slots=1)
    task = await rig.enqueue(ignores)
    await rig.began(task)
    await kernel.interrupt(asked(task))
    facts = await rig.ended(task)
    assert facts.state is State.CANCELED
    assert facts.message == "interrupted by ada; it ignored being cancelled and was abandoned"
    other = await rig.enqueue(succeeds)
    assert (await rig.ended(other)).state is State.COMPLETED, "the slot did not come back"
    before = await rig.events(task)
    rig.theatre.released.set()
    await asyncio.wait_for(refused.wait(), 5)
    await rig.ended(await rig.enqueue(succeeds))
    assert await rig.events(task) == before, "the zombie was heard"


async def test_a_task_that_waits_in_the_store_is_canceled_at_once(rig: Rig) -> None:
    task = await rig.enqueue(succeeds)
    kernel = await rig.start(pools={"other": 1})
    assert (await kernel.interrupt(asked(task))).state is State.CANCELED
    facts = await rig.task(task)
    assert (facts.state, facts.attempt, facts.node) == (State.CANCELED, 0, None)


async def test_a_task_that_is_not_due_yet_is_canceled_at_once(rig: Rig) -> None:
    kernel = await rig.start()
    task = await rig.enqueue(succeeds, delay=3_600.0)
    assert (await kernel.interrupt(asked(task))).state is State.CANCELED
    assert rig.count("deferred") == 0


async def test_a_task_claimed_ahead_is_canceled_before_it_starts(rig: Rig) -> None:
    async def waits(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    kernel = await rig.start(slots=1)
    first = await rig.enqueue(waits)
    await rig.began(first)
    # Which the node claims ahead when it starts many tasks a second.
    dispatcher, *_ = kernel.node.dispatchers
    task = await rig.enqueue(succeeds)
    node = kernel.node._may_claim()
    assert node is not None
    assert await dispatcher._claim(node, 1) == 1
    assert [claimed.id for claimed in dispatcher.waiting()] == [task]
    assert (await kernel.interrupt(asked(task))).state is State.CANCELLING
    facts = await rig.ended(task)
    assert (facts.state, facts.message) == (State.CANCELED, "interrupted by ada")
    assert rig.theatre.attempts(task) == []
    assert dispatcher.waiting() == []


async def test_an_interrupt_said_to_another_node_is_heeded(rig: Rig) -> None:
    async def waits(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        return Success()

    await rig.start()
    task = await rig.enqueue(waits)
    await rig.began(task)
    other = await rig.start(store=await rig.another_store(), pools={"other": 1})
    await other.interrupt(asked(task))
    assert (await rig.ended(task, within=3.0)).state is State.CANCELED


async def test_interrupting_twice_is_harmless_and_keeps_the_first_asker(rig: Rig) -> None:
    async def listens(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        return Success()

    kernel = await rig.start()
    task = await rig.enqueue(listens)
    await rig.began(task)
    await asyncio.gather(kernel.interrupt(asked(task, "first")), _again(rig, task))
    assert (await rig.ended(task)).message == "interrupted by ada: first; it ended when asked"
    asks = [text for text in await rig.texts(task, STATE) if text.startswith("interrupt asked")]
    assert asks == ["interrupt asked by ada: first"]


async def _again(rig: Rig, task: int) -> None:
    flagged = "select id from windlass.running where interrupt_at is not null"
    await eventually(lambda: bool(rig.execute(flagged)) or _over(rig))
    with suppress(TaskOver):
        await rig.store.queue.interrupt(asked(task, "second"))


def _over(rig: Rig) -> bool:
    return bool(rig.count("outcome"))


async def test_a_task_that_has_ended_can_not_be_interrupted(rig: Rig) -> None:
    kernel = await rig.start()
    task = await rig.enqueue(succeeds)
    await rig.ended(task)
    with pytest.raises(TaskOver):
        await kernel.interrupt(asked(task))
    with pytest.raises(TaskNotFound):
        await kernel.interrupt(asked(999_999))
    assert (await rig.task(task)).state is State.COMPLETED


async def test_a_hundred_interrupts_in_the_middle_of_work_end_every_task_once(rig: Rig) -> None:
    async def short(ctx: Context) -> Outcome:
        try:
            await asyncio.wait_for(ctx.cancelled.wait(), 0.05)
        except TimeoutError:
            return Success()
        return Retry("stopped")

    kernel = await rig.start(slots=10)
    tasks = [await rig.enqueue(short) for _ in range(100)]
    answers = await asyncio.gather(*(kernel.interrupt(asked(task)) for task in tasks), return_exceptions=True)
    for task, answer in zip(tasks, answers, strict=True):
        state = (await rig.ended(task)).state
        assert state is (State.COMPLETED if isinstance(answer, TaskOver) else State.CANCELED)
    assert rig.count("outcome") == 100
