"""What running tasks say: stage, progress, steps and output reach the reader, bounded and in order."""

from __future__ import annotations

import asyncio
import json

import pytest
from windlass import Context, Outcome, Success
from windlass.core.lifecycle import State
from windlass.host.context import LARGEST_OUTBOX, LARGEST_STEP_DATA

from tests.host.handlers import OUTPUT_CAP
from tests.host.rig import ForgetfulQueue, Rig
from tests.waiting import eventually

STATE, STAGE, STEP, PROGRESS, OUTPUT = 1, 2, 3, 4, 5


async def test_a_timeline_tells_the_whole_life_in_order(rig: Rig) -> None:
    async def tells(ctx: Context) -> Outcome:
        await ctx.stage("copying")
        await ctx.step("copied one", file="a.txt", size=3)
        await ctx.output(b"one\n")
        await ctx.output(b"oops\n", "stderr")
        return Success({"files": 1})

    await rig.start()
    task = await rig.enqueue(tells)
    await rig.ended(task)
    events = await rig.events(task)
    assert [(e.type, e.state or e.text) for e in events if e.type != OUTPUT] == [
        (STATE, State.PENDING),
        (STATE, State.RUNNING),
        (STAGE, "copying"),
        (STEP, "copied one"),
        (STATE, State.COMPLETED),
    ]
    assert json.loads(events[3].data or b"") == {"file": "a.txt", "size": 3}
    assert [(e.stream, e.data) for e in events if e.type == OUTPUT] == [(1, b"one\n"), (2, b"oops\n")]
    assert [e.sequence for e in events] == sorted({e.sequence for e in events})
    assert json.loads(events[-1].data or b"") == {"files": 1}


async def test_stage_and_progress_are_seen_while_the_task_runs(rig: Rig) -> None:
    async def works(ctx: Context) -> Outcome:
        await ctx.stage("counting")
        for n in range(50):
            await ctx.progress(n, 50)
        await rig.theatre.released.wait()
        return Success()

    await rig.start()
    task = await rig.enqueue(works)
    await eventually(lambda: _progress(rig, task, 49))
    facts = await rig.task(task)
    assert (facts.state, facts.stage, facts.progress_total) == (State.RUNNING, "counting", 50)
    shown = [(e.current, e.total) for e in await rig.events(task) if e.type == PROGRESS]
    assert shown == [(49, 50)], "only the latest progress is kept"


async def _progress(rig: Rig, task: int, current: int) -> bool:
    return (await rig.task(task)).progress_current == current


async def test_a_long_silent_task_is_seen_to_run(rig: Rig) -> None:
    async def silent(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    await rig.start()
    task = await rig.enqueue(silent)
    await eventually(lambda: _running(rig, task), within=2.0)
    facts = await rig.task(task)
    assert facts.started_at is not None
    assert facts.node


async def _running(rig: Rig, task: int) -> bool:
    return (await rig.task(task)).state is State.RUNNING


async def test_output_over_the_cap_keeps_head_and_tail_and_counts_the_rest(rig: Rig) -> None:
    written = b"".join(b"%07d\n" % n for n in range(5_000))

    async def floods(ctx: Context) -> Outcome:
        for start in range(0, len(written), 100):
            await ctx.output(written[start : start + 100])
        return Success()

    await rig.start()
    task = await rig.enqueue(floods)
    await rig.ended(task)
    chunks = [e for e in await rig.events(task) if e.type == OUTPUT]
    kept = b"".join(e.data or b"" for e in chunks)
    assert kept == written[: OUTPUT_CAP // 2] + written[-OUTPUT_CAP // 2 :]
    [gap] = [e for e in chunks if e.dropped]
    assert gap.dropped == len(written) - OUTPUT_CAP
    assert b"".join(e.data or b"" for e in chunks[: chunks.index(gap)]) == written[: OUTPUT_CAP // 2]


async def test_a_flood_of_steps_waits_for_the_store_and_loses_no_line(rig: Rig) -> None:
    largest = 0

    async def floods(ctx: Context) -> Outcome:
        nonlocal largest
        for n in range(2_000):
            await ctx.step(f"{n} " + "x" * 1_000)
            largest = max(largest, ctx.outbox.size)  # type: ignore[attr-defined]
        return Success()

    await rig.start()
    task = await rig.enqueue(floods)
    await rig.ended(task, within=20)
    assert [int(text.split()[0]) for text in await rig.texts(task, STEP)] == list(range(2_000))
    assert largest < LARGEST_OUTBOX + 10_000, "the flood was gathered in memory"


async def test_a_flood_stands_still_while_the_store_is_away(rig: Rig) -> None:
    queue = ForgetfulQueue(rig.store.queue, say=100)
    rig.store.queue = queue  # type: ignore[assignment]
    said = 0

    async def floods(ctx: Context) -> Outcome:
        nonlocal said
        for _ in range(1_000):
            await ctx.step("x" * 1_000)
            said += 1
        return Success()

    await rig.start()
    task = await rig.enqueue(floods)
    await eventually(lambda: queue.lost["say"] >= 2)
    held = said
    assert held * 1_000 < 2 * LARGEST_OUTBOX + 10_000
    queue.losses.clear()
    await rig.ended(task)
    assert len(await rig.texts(task, STEP)) == 1_000 > held


async def test_what_the_store_cannot_keep_is_mended_or_refused_to_the_handler(rig: Rig) -> None:
    refused: list[str] = []

    async def odd(ctx: Context) -> Outcome:
        await ctx.step("nul \0 and half \ud800", value="\0")
        await ctx.stage("s" * 500)
        for wrong in (
            lambda: ctx.step("large", data="x" * LARGEST_STEP_DATA),
            lambda: ctx.step("no json", data=object()),
            lambda: ctx.output(b"", "stdlog"),
        ):
            try:
                await wrong()
            except (ValueError, TypeError) as error:
                refused.append(type(error).__name__)
        return Success()

    await rig.start()
    task = await rig.enqueue(odd)
    assert (await rig.ended(task)).state is State.COMPLETED
    assert await rig.texts(task, STEP) == ["nul \N{REPLACEMENT CHARACTER} and half ?"]
    assert [len(text) for text in await rig.texts(task, STAGE)] == [200]
    assert refused == ["ValueError", "TypeError", "ValueError"]


async def test_a_line_the_database_refuses_costs_no_other_task_its_lines(rig: Rig) -> None:
    both = asyncio.Barrier(2)

    async def good(ctx: Context) -> Outcome:
        await both.wait()
        await ctx.step("kept")
        return Success()

    async def bad(ctx: Context) -> Outcome:
        await both.wait()
        await ctx.progress(2**70)
        return Success()

    await rig.start()
    fine, odd = await rig.enqueue(good), await rig.enqueue(bad)
    assert (await rig.ended(fine)).state is State.COMPLETED
    assert await rig.texts(fine, STEP) == ["kept"]
    assert (await rig.ended(odd)).state is State.COMPLETED


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_bytes_of_any_value_come_through_as_they_were(rig: Rig, stream: str) -> None:
    raw = bytes(range(256))

    async def writes(ctx: Context) -> Outcome:
        await ctx.output(raw, stream)
        return Success()

    await rig.start()
    task = await rig.enqueue(writes)
    await rig.ended(task)
    assert b"".join(e.data or b"" for e in await rig.events(task) if e.type == OUTPUT) == raw
