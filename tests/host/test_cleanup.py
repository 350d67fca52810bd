"""Cleanup: once after every end, under its own deadline, and never able to change how the task ended."""

from __future__ import annotations

import asyncio
import time

import pytest
from windlass import Context, Failed, Outcome, Success
from windlass.core.lifecycle import State

from tests.contract.facts import new_task
from tests.host.rig import Rig, asked

STEP = 3


async def succeeds(ctx: Context) -> Outcome:
    return Success()


async def fails(ctx: Context) -> Outcome:
    return Failed("no")


async def breaks(ctx: Context) -> Outcome:
    raise OSError("gone")


async def waits(ctx: Context) -> Outcome:
    await asyncio.Event().wait()
    return Success()


async def test_cleanup_runs_once_after_every_attempt_however_it_ended(rig: Rig) -> None:
    await rig.start()
    tasks = [await rig.enqueue(play, kind="TidyPlay", attempt_limit=2) for play in (succeeds, fails, breaks)]
    for task in tasks:
        await rig.ended(task)
    assert sorted(rig.theatre.tidied) == [(tasks[0], 1), (tasks[1], 1), (tasks[2], 1), (tasks[2], 2)]


async def test_cleanup_runs_after_an_interrupt(rig: Rig) -> None:
    kernel = await rig.start()
    task = await rig.enqueue(waits, kind="TidyPlay")
    await rig.began(task)
    await kernel.interrupt(asked(task))
    assert (await rig.ended(task)).state is State.CANCELED
    assert rig.theatre.tidied == [(task, 1)]


async def test_cleanup_runs_for_a_handler_that_had_to_be_abandoned(rig: Rig) -> None:
    async def ignores(ctx: Context) -> Outcome:
        await rig.theatre.stay()
        return Success()

    kernel = await rig.start()
    task = await rig.enqueue(ignores, kind="TidyPlay")
    await rig.began(task)
    await kernel.interrupt(asked(task))
    assert (await rig.ended(task)).state is State.CANCELED
    assert rig.theatre.tidied == [(task, 1)]


async def test_what_cleanup_says_is_kept(rig: Rig) -> None:
    async def tidies(ctx: Context) -> None:
        await ctx.step("swept the floor")

    rig.theatre.cleanup = tidies
    await rig.start()
    task = await rig.enqueue(succeeds, kind="TidyPlay")
    await rig.ended(task)
    assert await rig.texts(task, STEP) == ["swept the floor"]


async def test_a_cleanup_that_fails_is_noted_and_changes_nothing(rig: Rig) -> None:
    async def fails_too(ctx: Context) -> None:
        raise OSError("the disk is gone")

    rig.theatre.cleanup = fails_too
    await rig.start(slots=1)
    for play, state in ((succeeds, State.COMPLETED), (fails, State.FAILED)):
        task = await rig.enqueue(play, kind="TidyPlay")
        assert (await rig.ended(task)).state is state
        assert await rig.texts(task, STEP) == ["cleanup failed: OSError: the disk is gone"]


async def test_a_cleanup_over_its_deadline_is_cut_and_noted(rig: Rig) -> None:
    async def never(ctx: Context) -> None:
        await asyncio.Event().wait()

    rig.theatre.cleanup = never
    await rig.start(slots=1)
    task = await rig.enqueue(succeeds, kind="TidyPlay")
    assert (await rig.ended(task)).state is State.COMPLETED
    assert await rig.texts(task, STEP) == ["cleanup failed: it took longer than 0.3 s"]


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt()])
async def test_a_cleanup_that_exits_does_not_take_the_node_with_it(rig: Rig, raised: BaseException) -> None:
    async def exits(ctx: Context) -> None:
        raise raised

    rig.theatre.cleanup = exits
    await rig.start(slots=1)
    for _ in range(2):
        assert (await rig.ended(await rig.enqueue(succeeds, kind="TidyPlay"))).state is State.COMPLETED


async def test_a_payload_that_does_not_fit_leaves_nothing_to_tidy(rig: Rig) -> None:
    await rig.start()
    [receipt] = await rig.store.queue.enqueue([new_task(kind="TidyPlay", payload='{"play": 7}')])
    assert (await rig.ended(receipt.task)).state is State.FAILED
    assert rig.theatre.tidied == []
    assert await rig.texts(receipt.task, STEP) == []


async def test_a_cleanup_that_ignores_its_deadline_does_not_keep_the_slot(rig: Rig) -> None:
    async def stubborn(ctx: Context) -> None:
        await rig.theatre.stay()

    async def stays(ctx: Context) -> Outcome:
        await rig.theatre.stay()
        return Success()

    rig.theatre.cleanup = stubborn
    kernel = await rig.start(slots=1)
    assert (await rig.ended(await rig.enqueue(succeeds, kind="TidyPlay"), within=5)).state is State.COMPLETED
    for play in (waits, stays):
        task = await rig.enqueue(play, kind="TidyPlay")
        await rig.began(task)
        await kernel.interrupt(asked(task))
        assert (await rig.ended(task, within=5)).state is State.CANCELED
    assert (await rig.ended(await rig.enqueue(succeeds), within=5)).state is State.COMPLETED


async def test_cleanup_has_its_own_deadline_and_not_what_the_ladder_left(rig: Rig) -> None:
    swept = asyncio.Event()

    async def listens(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        return Success()

    async def sweeps(ctx: Context) -> None:
        # Longer than the 0.15 s that the polite rung gives the handler, shorter than the 0.3 s of its own.
        await rig.theatre.linger(0.22)
        swept.set()

    rig.theatre.cleanup = sweeps
    kernel = await rig.start()
    task = await rig.enqueue(listens, kind="TidyPlay")
    await rig.began(task)
    began = time.monotonic()
    await kernel.interrupt(asked(task))
    facts = await rig.ended(task)
    assert swept.is_set(), "the ladder cut the cleanup"
    assert await rig.texts(task, STEP) == []
    assert facts.message == "interrupted by ada; it ended when asked"
    assert time.monotonic() - began < 5


async def test_an_attempt_that_loses_its_task_in_its_cleanup_gives_its_slot_back(rig: Rig) -> None:
    reached = asyncio.Event()

    async def speaks(ctx: Context) -> None:
        reached.set()
        while True:
            await ctx.step("sweeping")
            await rig.theatre.linger(0.01)

    rig.theatre.cleanup = speaks
    await rig.start(slots=1)
    task = await rig.enqueue(succeeds, kind="TidyPlay")
    await asyncio.wait_for(reached.wait(), 5)
    # As a claim of the next attempt, by another node, would leave it.
    rig.execute("update windlass.running set attempt = attempt + 1, node = 0 where id = %s", task)
    other = await rig.enqueue(succeeds)
    assert (await rig.ended(other, within=5)).state is State.COMPLETED, "the slot did not come back"
