"""What becomes of a task, by what its handler returned or raised."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import msgspec
import pytest
from windlass import Context, Failed, Outcome, Rejected, Retry, Success
from windlass.core.lifecycle import State, Verdict

from tests.contract.facts import new_task
from tests.host.rig import Rig


async def succeeds(ctx: Context) -> Outcome:
    return Success({"done": True})


async def test_a_success_ends_the_task_with_its_result(rig: Rig) -> None:
    await rig.start()
    facts = await rig.ended(await rig.enqueue(succeeds))
    assert (facts.state, facts.attempt, facts.message) == (State.COMPLETED, 1, "")
    assert json.loads(facts.result or b"") == {"done": True}
    assert facts.started_at is not None
    assert facts.ended_at is not None
    assert facts.started_at <= facts.ended_at


async def test_a_failure_ends_the_task_without_another_attempt(rig: Rig) -> None:
    async def fails(ctx: Context) -> Outcome:
        return Failed("no such customer", result={"customer": 7})

    await rig.start()
    task = await rig.enqueue(fails)
    facts = await rig.ended(task)
    assert (facts.state, facts.message) == (State.FAILED, "no such customer")
    assert json.loads(facts.result or b"") == {"customer": 7}
    assert rig.theatre.attempts(task) == [1]


async def test_a_retry_comes_again_and_may_succeed(rig: Rig) -> None:
    async def later(ctx: Context) -> Outcome:
        return Success() if ctx.task.attempt == 2 else Retry("not yet")

    await rig.start()
    task = await rig.enqueue(later)
    assert (await rig.ended(task)).state is State.COMPLETED
    card = await rig.store.library.card(task)
    assert card is not None
    assert [(a.attempt, a.verdict, a.message) for a in card.attempts] == [
        (1, Verdict.RETRY, "not yet"),
        (2, Verdict.SUCCESS, ""),
    ]


async def test_a_retry_without_a_pause_waits_for_no_look(rig: Rig) -> None:
    async def at_once(ctx: Context) -> Outcome:
        return Success() if ctx.task.attempt == 3 else Retry("not yet", after=timedelta(0))

    kernel = await rig.start()
    for dispatcher in kernel.node.dispatchers:
        dispatcher.poll_seconds = 60
    facts = await rig.ended(await rig.enqueue(at_once))
    assert (facts.state, facts.attempt) == (State.COMPLETED, 3)


async def test_a_retry_with_a_pause_waits_for_it_and_no_longer(rig: Rig) -> None:
    async def later(ctx: Context) -> Outcome:
        return Success() if ctx.task.attempt == 2 else Retry("not yet", after=timedelta(seconds=0.3))

    await rig.start()
    task = await rig.enqueue(later)
    await rig.ended(task)
    card = await rig.store.library.card(task)
    assert card is not None
    first, second = card.attempts
    assert first.ended_at is not None
    assert second.started_at is not None
    assert 0.3 <= (second.started_at - first.ended_at).total_seconds() < 2.0


async def test_the_last_attempt_fails_and_its_message_says_so(rig: Rig) -> None:
    async def never(ctx: Context) -> Outcome:
        return Retry("still closed")

    await rig.start()
    task = await rig.enqueue(never, attempt_limit=2)
    facts = await rig.ended(task)
    assert (facts.state, facts.message) == (State.FAILED, "still closed (attempt 2 of 2, the last)")
    assert rig.theatre.attempts(task) == [1, 2]


async def test_an_exception_is_tried_again_until_the_kinds_limit(rig: Rig) -> None:
    async def breaks(ctx: Context) -> Outcome:
        raise ValueError("odd")

    await rig.start()
    task = await rig.enqueue(breaks, attempt_limit=None)
    facts = await rig.ended(task)
    assert (facts.state, facts.message) == (State.FAILED, "ValueError: odd (attempt 3 of 3, the last)")
    assert rig.theatre.attempts(task) == [1, 2, 3]


async def test_rejected_input_fails_at_once(rig: Rig) -> None:
    async def rejects(ctx: Context) -> Outcome:
        raise Rejected("the date lies in the future")

    await rig.start()
    task = await rig.enqueue(rejects)
    facts = await rig.ended(task)
    assert (facts.state, facts.message) == (State.FAILED, "the date lies in the future")
    assert rig.theatre.attempts(task) == [1]


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), MemoryError()])
async def test_a_handler_that_raises_the_worst_does_not_take_the_node_with_it(rig: Rig, raised: BaseException) -> None:
    async def exits(ctx: Context) -> Outcome:
        raise raised

    await rig.start(slots=1)
    task = await rig.enqueue(exits, attempt_limit=1)
    facts = await rig.ended(task)
    assert facts.state is State.FAILED
    assert facts.message is not None
    assert facts.message.startswith(type(raised).__name__)
    assert (await rig.ended(await rig.enqueue(succeeds))).state is State.COMPLETED, "the slot is lost"


async def test_a_payload_that_no_longer_fits_fails_at_once_and_says_where(rig: Rig) -> None:
    await rig.start()
    [receipt] = await rig.store.queue.enqueue([new_task(kind="Play", payload='{"play": 7}')])
    facts = await rig.ended(receipt.task)
    assert facts.state is State.FAILED
    assert facts.message is not None
    assert "does not fit Play" in facts.message
    assert "$.play" in facts.message
    assert rig.theatre.began == []


async def test_a_handler_that_reads_something_misshapen_itself_is_tried_again(rig: Rig) -> None:
    async def reads(ctx: Context) -> Outcome:
        if ctx.task.attempt == 1:
            msgspec.json.decode(b'"three"', type=int)
        return Success()

    await rig.start()
    task = await rig.enqueue(reads)
    assert (await rig.ended(task)).state is State.COMPLETED, "taken for a payload that does not fit"
    assert rig.theatre.attempts(task) == [1, 2]


async def test_a_result_the_database_refuses_fails_its_task_and_no_other(rig: Rig) -> None:
    async def odd(ctx: Context) -> Outcome:
        return Success(float(10**308) * 1e3)

    async def half(ctx: Context) -> Outcome:
        return Success({"name": "\ud800"})

    await rig.start()
    tasks = [await rig.enqueue(play) for play in (succeeds, odd, half, succeeds)]
    states = [(await rig.ended(task)).state for task in tasks]
    assert states[0] is states[3] is State.COMPLETED
    assert states[2] is State.FAILED


async def test_a_task_of_a_kind_nobody_here_knows_waits(rig: Rig) -> None:
    await rig.start()
    [receipt] = await rig.store.queue.enqueue([new_task(kind="Unknown")])
    await rig.ended(await rig.enqueue(succeeds))
    assert (await rig.task(receipt.task)).state is State.PENDING


async def test_urgent_work_is_started_first(rig: Rig) -> None:
    low = await rig.enqueue(succeeds, priority=1)
    high = await rig.enqueue(succeeds, priority=50)
    middle = await rig.enqueue(succeeds, priority=5)
    await rig.start(slots=1)
    for task in (low, high, middle):
        await rig.ended(task)
    assert [task for task, _ in rig.theatre.began] == [high, middle, low]
