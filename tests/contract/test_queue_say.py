"""The Queue contract: what running attempts say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from windlass.core.lifecycle import State, Verdict
from windlass.core.sequence import STARTED, sequence
from windlass.store.facts import Chunk, Line, Progress
from windlass.store.port import Store

from tests.contract.facts import (
    ask,
    claim,
    ended,
    events_of,
    facts_of,
    held,
    node_of,
    running,
    said,
    state_of,
    stored,
)

STATE, STAGE, STEP, PROGRESS, OUTPUT = 1, 2, 3, 4, 5


async def test_the_first_word_marks_the_start(store: Store) -> None:
    node = await node_of(store, name="host/3")
    claimed = await held(store, node)
    assert await store.queue.say(node, [said(claimed, started_age=20.0)]) == {claimed.id}
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.node) == (State.RUNNING, "host/3")
    assert facts.started_at is not None
    assert timedelta(seconds=15) < datetime.now(UTC) - facts.started_at < timedelta(seconds=60)


async def test_the_start_is_marked_once(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.say(node, [said(claimed, started_age=20.0)])
    began = (await facts_of(store, claimed.id)).started_at
    await store.queue.say(node, [said(claimed, started_age=3.0)])
    assert (await facts_of(store, claimed.id)).started_at == began


async def test_a_stage_stays_until_the_next_one(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await store.queue.say(node, [said(claimed, stage="copying")])
    await store.queue.say(node, [said(claimed)])
    assert (await facts_of(store, claimed.id)).stage == "copying"
    await store.queue.say(node, [said(claimed, stage="publishing")])
    assert (await facts_of(store, claimed.id)).stage == "publishing"


async def test_only_the_latest_progress_is_kept(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    for n, total in ((1, 10), (2, 10), (3, None)):
        await store.queue.say(node, [said(claimed, progress=Progress(sequence(1, n), 0.0, n, total))])
    facts = await facts_of(store, claimed.id)
    assert (facts.progress_current, facts.progress_total) == (3, None)
    [told] = [event for event in await events_of(store, claimed.id) if event.type == PROGRESS]
    assert (told.sequence, told.current, told.total) == (sequence(1, 3), 3, None)


async def test_silence_about_progress_does_not_undo_it(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await store.queue.say(node, [said(claimed, progress=Progress(sequence(1, 1), 0.0, 4, 8))])
    await store.queue.say(node, [said(claimed, stage="on")])
    facts = await facts_of(store, claimed.id)
    assert (facts.progress_current, facts.progress_total) == (4, 8)


async def test_lines_and_output_come_out_as_they_went_in(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    words = said(
        claimed,
        lines=(
            Line(sequence(1, 1), 0.0, STAGE, "copying"),
            Line(sequence(1, 2), 0.0, STEP, "one file", '{"bytes": 7}'),
        ),
        chunks=(
            Chunk(sequence(1, 3), 0.0, 1, bytes(range(256))),
            Chunk(sequence(1, 4), 0.0, 2, b"", dropped=12),
        ),
    )
    await store.queue.say(node, [words])
    stage, step, out, err = (await events_of(store, claimed.id, sequence(1, STARTED)))[:4]
    assert (stage.sequence, stage.type, stage.text, stage.data) == (sequence(1, 1), STAGE, "copying", None)
    assert (step.sequence, step.type, step.text, step.data) == (sequence(1, 2), STEP, "one file", b'{"bytes": 7}')
    assert (out.sequence, out.type, out.stream, out.data, out.dropped) == (
        sequence(1, 3),
        OUTPUT,
        1,
        bytes(range(256)),
        0,
    )
    assert (err.stream, err.data, err.dropped) == (2, b"", 12)


async def test_a_batch_that_is_said_again_says_nothing_twice(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    words = said(
        claimed,
        stage="copying",
        progress=Progress(sequence(1, 3), 0.0, 1, 2),
        lines=(Line(sequence(1, 1), 0.0, STEP, "first telling"),),
        chunks=(Chunk(sequence(1, 2), 0.0, 1, b"out"),),
    )
    assert await store.queue.say(node, [words]) == {claimed.id}
    before = await events_of(store, claimed.id)
    assert await store.queue.say(node, [words]) == {claimed.id}
    assert [event.sequence for event in await events_of(store, claimed.id)] == [event.sequence for event in before]


async def test_many_tasks_speak_in_one_call_and_the_superseded_are_left_out(store: Store) -> None:
    node = await node_of(store)
    old = await held(store, node)
    await store.queue.finish(node, [ended(old, Verdict.RETRY)])
    await stored(store, 20)
    claimed = await claim(store, node)
    batch = [said(one, lines=(Line(sequence(one.attempt, 1), 0.0, STEP, f"I am {one.id}"),)) for one in claimed]
    late = said(old, lines=(Line(sequence(old.attempt, 1), 0.0, STEP, "I am late"),))
    assert await store.queue.say(node, [*batch, late]) == {one.id for one in claimed}
    for one in claimed:
        texts = [event.text for event in await events_of(store, one.id) if event.type == STEP]
        assert texts == [f"I am {one.id}"]


async def test_what_a_superseded_attempt_says_leaves_no_trace(store: Store) -> None:
    node = await node_of(store)
    old = await held(store, node)
    await store.queue.finish(node, [ended(old, Verdict.RETRY)])
    [new] = await claim(store, node)
    words = said(old, stage="late", progress=Progress(sequence(1, 1), 0.0, 9, 9), started_age=99.0)
    assert await store.queue.say(node, [words]) == set()
    facts = await facts_of(store, new.id)
    assert (facts.state, facts.stage, facts.progress_current) == (State.PENDING, None, None)


async def test_another_node_and_an_ended_task_are_refused(store: Store) -> None:
    node, stranger = await node_of(store), await node_of(store, pid=2)
    claimed = await held(store, node)
    line = (Line(sequence(1, 1), 0.0, STEP, "not mine"),)
    assert await store.queue.say(stranger, [said(claimed, lines=line)]) == set()
    await store.queue.finish(node, [ended(claimed)])
    assert await store.queue.say(node, [said(claimed, lines=line)]) == set()
    assert not any(event.text == "not mine" for event in await events_of(store, claimed.id))


async def test_an_interrupted_attempt_may_speak_until_it_ends(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await ask(store, claimed.id)
    assert await store.queue.say(node, [said(claimed, stage="tidying")]) == {claimed.id}
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.stage) == (State.CANCELLING, "tidying")


async def test_nothing_said_is_nobody_accepted(store: Store) -> None:
    node = await node_of(store)
    assert await store.queue.say(node, []) == set()
    [task] = await stored(store)
    assert await state_of(store, task) is State.PENDING
