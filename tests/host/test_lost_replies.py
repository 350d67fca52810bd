"""Answers that get lost after the commit: the same call again is right, and nothing happens twice."""

from __future__ import annotations

import pytest
from windlass import Context, Outcome, Success
from windlass.core.lifecycle import State
from windlass.host import service

from tests.host.rig import ForgetfulQueue, Rig

STEP, OUTPUT = 3, 5


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAUSE_AFTER_FAILURE", 0.1)


async def succeeds(ctx: Context) -> Outcome:
    return Success({"n": ctx.task.attempt})


def forgetful(rig: Rig, **losses: int) -> ForgetfulQueue:
    queue = ForgetfulQueue(rig.store.queue, **losses)
    rig.store.queue = queue  # type: ignore[assignment]
    return queue


async def test_a_claim_whose_answer_was_lost_runs_its_tasks_exactly_once(rig: Rig) -> None:
    tasks = [await rig.enqueue(succeeds) for _ in range(3)]
    queue = forgetful(rig, claim=1)
    await rig.start()
    for task in tasks:
        assert (await rig.ended(task)).attempt == 1
    assert queue.lost["claim"] == 1
    assert sorted(rig.theatre.began) == [(task, 1) for task in tasks]


async def test_a_lost_claim_is_asked_for_until_the_answer_comes(rig: Rig) -> None:
    task = await rig.enqueue(succeeds)
    queue = forgetful(rig, claim=1, reclaim=2)
    await rig.start()
    await rig.ended(task)
    assert queue.lost["reclaim"] == 2
    assert rig.theatre.began == [(task, 1)]


async def test_asking_for_a_lost_claim_does_not_start_what_runs_already(rig: Rig) -> None:
    async def works(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    queue = forgetful(rig)
    await rig.start(slots=3)
    first = await rig.enqueue(works)
    await rig.began(first)
    queue.losses["claim"] = 1
    second = await rig.enqueue(works)
    await rig.began(second)
    rig.theatre.released.set()
    for task in (first, second):
        assert (await rig.ended(task)).state is State.COMPLETED
    assert sorted(rig.theatre.began) == [(first, 1), (second, 1)]


async def test_a_result_whose_answer_was_lost_is_kept_once(rig: Rig) -> None:
    queue = forgetful(rig, finish=2)
    kernel = await rig.start()
    task = await rig.enqueue(succeeds)
    facts = await rig.ended(task)
    await kernel.node.completer.settled()
    assert queue.lost["finish"] >= 1
    assert (facts.state, facts.attempt, rig.count("outcome"), rig.count("attempt")) == (State.COMPLETED, 1, 1, 0)
    assert kernel.node.completer.refused == 0, "its own result was taken for a zombie's"
    assert rig.theatre.began == [(task, 1)]


async def test_words_whose_answer_was_lost_are_kept_once(rig: Rig) -> None:
    async def says(ctx: Context) -> Outcome:
        for n in range(10):
            await ctx.step(f"line {n}")
            await ctx.output(b"%d\n" % n)
        return Success()

    queue = forgetful(rig, say=2)
    await rig.start()
    task = await rig.enqueue(says)
    assert (await rig.ended(task)).state is State.COMPLETED
    assert queue.lost["say"] == 2
    assert await rig.texts(task, STEP) == [f"line {n}" for n in range(10)]
    output = b"".join(e.data or b"" for e in await rig.events(task) if e.type == OUTPUT)
    assert output == b"".join(b"%d\n" % n for n in range(10))


async def test_a_promotion_whose_answer_was_lost_starts_the_task_once(rig: Rig) -> None:
    forgetful(rig, promote=2)
    await rig.start()
    task = await rig.enqueue(succeeds, delay=0.2)
    await rig.ended(task)
    assert rig.theatre.began == [(task, 1)]
