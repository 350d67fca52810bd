"""The Library contract: the events of a task, and going on after any of them."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.core.sequence import CREATED, ENDED, STARTED, WAITS, attempt_of, sequence
from windlass.store.facts import Chunk, Ended, EventFacts, Line, Progress, Said, Watched
from windlass.store.port import Store

from tests.contract.facts import ask, claim, ended, events_of, held, node_of, recovered, running, said, stored

STATE, STAGE, STEP, PROGRESS, OUTPUT = 1, 2, 3, 4, 5


async def _long_life(store: Store, *, over: bool = True) -> int:
    """A task that was tried three times and said something of every sort."""
    node = await node_of(store, name="host/1")
    first = await held(store, node)
    words = said(
        first,
        stage="copying",
        lines=(
            Line(sequence(1, 1), 0.0, STAGE, "copying"),
            Line(sequence(1, 3), 0.0, STEP, "half way", '{"n": 1}'),
        ),
        chunks=(Chunk(sequence(1, 2), 0.0, 1, b"out"), Chunk(sequence(1, 4), 0.0, 2, b"err", 7)),
    )
    await store.queue.say(node, [words])
    await store.queue.finish(node, [ended(first, Verdict.RETRY, message="no luck")])
    [second] = await claim(store, node)
    await store.queue.say(node, [said(second)])
    await store.cluster.recover(node)
    heir = await node_of(store, name="host/2", pid=2)
    [third] = await claim(store, heir)
    progress = Progress(sequence(3, 1), 0.0, 5, 10)
    await store.queue.say(heir, [said(third, progress=progress, chunks=(Chunk(sequence(3, 2), 0.0, 1, b"more"),))])
    if over:
        await store.queue.finish(heir, [ended(third, message="well", result='{"ok": 1}')])
    return first.id


def _places(events: list[EventFacts]) -> list[tuple[int, int]]:
    return [divmod(event.sequence, 10_000_000) for event in events]


async def test_the_events_of_a_life_come_in_order(store: Store) -> None:
    task = await _long_life(store)
    events = await events_of(store, task)
    assert _places(events) == [
        (0, CREATED),
        *((1, n) for n in (STARTED, 1, 2, 3, 4, WAITS)),
        *((2, n) for n in (STARTED, WAITS)),
        *((3, n) for n in (STARTED, 2, ENDED)),
    ]
    assert [event.type for event in events] == [
        *(STATE, STATE),
        *(STAGE, OUTPUT, STEP, OUTPUT),
        *(STATE, STATE, STATE, STATE, OUTPUT, STATE),
    ]


async def test_what_nobody_wrote_down_is_derived(store: Store) -> None:
    task = await _long_life(store)
    events = {divmod(event.sequence, 10_000_000): event for event in await events_of(store, task)}
    assert events[0, CREATED].state is State.PENDING
    started = [events[attempt, STARTED] for attempt in (1, 2, 3)]
    assert [(event.state, event.node) for event in started] == [
        (State.RUNNING, "host/1"),
        (State.RUNNING, "host/1"),
        (State.RUNNING, "host/2"),
    ]
    retried, lost = events[1, WAITS], events[2, WAITS]
    assert (retried.state, retried.text, retried.node) == (State.PENDING, "no luck", "host/1")
    assert (lost.state, lost.text) == (State.PENDING, "node host/1 was lost")
    assert retried.next_try_at is not None
    last = events[3, ENDED]
    assert (last.state, last.text, last.data, last.node) == (State.COMPLETED, "well", b'{"ok": 1}', "host/2")


async def test_only_the_last_event_is_final(store: Store) -> None:
    task = await _long_life(store)
    events = await events_of(store, task)
    assert [event.final for event in events] == [False] * (len(events) - 1) + [True]


async def test_before_the_end_no_event_is_final(store: Store) -> None:
    task = await _long_life(store, over=False)
    events = await events_of(store, task)
    assert not any(event.final for event in events)
    assert [(event.current, event.total) for event in events if event.type == PROGRESS] == [(5, 10)]


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize("timeline_only", [True, False])
async def test_after_any_event_exactly_the_rest_comes(store: Store, over: bool, timeline_only: bool) -> None:
    task = await _long_life(store, over=over)
    events = await events_of(store, task, timeline_only=timeline_only)
    for n, event in enumerate(events):
        assert await events_of(store, task, event.sequence, timeline_only=timeline_only) == events[n + 1 :]
        assert await events_of(store, task, event.sequence - 1, timeline_only=timeline_only) == events[n:]


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_a_limit_cuts_and_the_next_look_goes_on(store: Store, limit: int) -> None:
    task = await _long_life(store, over=False)
    found: list[EventFacts] = []
    while page := (await store.library.events([Watched(task, found[-1].sequence if found else 0)], limit)).get(task):
        assert len(page) <= limit
        found += page
    assert found == await events_of(store, task)


async def test_a_portion_bounds_the_bytes_of_each_task_and_the_next_look_goes_on(store: Store) -> None:
    node, task, other = await node_of(store), *await stored(store, 2)
    await claim(store, node)
    chunks = tuple(Chunk(sequence(1, n), 0.0, 1, b"x" * 1_000) for n in range(1, 31))
    for one in (task, other):
        await store.queue.say(node, [Said(one, 1, 0.0, chunks=chunks)])
    found: list[EventFacts] = []
    while page := (await _look(store, 2_500, (task, found[-1].sequence if found else 0), (other, 0))).get(task):
        assert 1 <= len([event for event in page if event.type == OUTPUT]) <= 3
        found += page
    assert found == await events_of(store, task)
    assert len((await _look(store, 1, (task, sequence(1, 5))))[task]) == 1, "one is always given"


async def _look(store: Store, portion: int, *places: tuple[int, int]) -> dict[int, list[EventFacts]]:
    return await store.library.events([Watched(*place) for place in places], 1_000, portion)


async def test_a_task_that_waits_again_tells_its_whole_story_and_then_nothing(store: Store) -> None:
    [task] = await stored(store)
    assert await events_of(store, task, CREATED) == []
    node = await node_of(store)
    for attempt in (1, 2):
        await claim(store, node)
        assert await events_of(store, task, sequence(attempt - 1, WAITS) if attempt > 1 else CREATED) == []
        pause = 0.0 if attempt == 1 else 60.0
        await store.queue.finish(node, [Ended(task, attempt, Verdict.RETRY, 0.1, message="no luck", pause=pause)])
        last = (await events_of(store, task))[-1]
        assert (last.sequence, last.text) == (sequence(attempt, WAITS), "no luck")
        assert await events_of(store, task, last.sequence) == []
        assert await events_of(store, task, last.sequence - 1) == [last]
        for before in (CREATED, sequence(attempt - 1, WAITS)):
            assert (await events_of(store, task, before))[-1] == last
    await ask(store, task)
    [end] = await events_of(store, task, last.sequence)
    assert (end.sequence, end.final) == (sequence(2, ENDED), True)


async def test_the_timeline_leaves_progress_and_output_out(store: Store) -> None:
    task = await _long_life(store, over=False)
    whole, timeline = await events_of(store, task), await events_of(store, task, timeline_only=True)
    assert timeline == [event for event in whole if event.type in (STATE, STAGE, STEP)]
    assert len(timeline) < len(whole)


async def test_the_events_of_many_tasks_come_in_one_look(store: Store) -> None:
    lives = [await _long_life(store) for _ in range(3)]
    [waiting] = await stored(store)
    places = [Watched(lives[0], 0), Watched(lives[1], sequence(2, 0)), Watched(lives[2], sequence(9, 0))]
    found = await store.library.events([*places, Watched(waiting, 0, timeline_only=True), Watched(4711, 0)], 1_000)
    assert found.get(lives[0]) == await events_of(store, lives[0])
    assert {attempt_of(event.sequence) for event in found[lives[1]]} == {2, 3}
    assert lives[2] not in found, "nothing is new to it"
    assert [event.sequence for event in found[waiting]] == [CREATED]
    assert 4711 not in found


async def test_looking_for_nobody_finds_nothing(store: Store) -> None:
    assert await store.library.events([], 10) == {}


async def test_a_task_canceled_while_it_waited_was_created_and_ended(store: Store) -> None:
    [task] = await stored(store)
    await ask(store, task, "eve", "not needed")
    created, over = await events_of(store, task)
    assert (created.sequence, created.state) == (CREATED, State.PENDING)
    assert (over.sequence, over.state, over.final) == (sequence(0, ENDED), State.CANCELED, True)
    assert (over.text, over.node) == ("interrupted by eve: not needed", None)


async def test_a_task_canceled_between_two_attempts_ends_after_the_wait(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY, pause=3600.0)])
    await ask(store, claimed.id)
    events = await events_of(store, claimed.id)
    assert _places(events) == [(0, CREATED), (1, STARTED), (1, WAITS), (1, ENDED)]
    assert events[-1].final


async def test_a_task_canceled_in_a_nodes_hands_before_it_started_never_started(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await ask(store, claimed.id)
    await store.queue.finish(node, [ended(claimed, Verdict.CANCELED, started_age=None)])
    assert _places(await events_of(store, claimed.id)) == [(0, CREATED), (1, ENDED)]


async def test_an_attempt_handed_back_before_it_started_leaves_no_event(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETURNED, started_age=None)])
    assert _places(await events_of(store, claimed.id)) == [(0, CREATED)]


async def test_a_lost_attempt_that_was_the_last_ends_the_task(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node, attempt_limit=1)
    await store.cluster.leave(node)
    await recovered(store, 1)
    events = await events_of(store, claimed.id)
    assert _places(events) == [(0, CREATED), (1, STARTED), (1, ENDED)]
    assert (events[-1].state, events[-1].final) == (State.FAILED, True)


async def test_an_interrupt_that_was_noted_shows_as_cancelling(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await ask(store, claimed.id, "eve")
    await store.queue.say(node, [said(claimed, lines=(Line(sequence(1, 1), 0.0, STATE, "interrupt asked by eve"),))])
    noted = (await events_of(store, claimed.id))[-1]
    assert (noted.type, noted.state, noted.text) == (STATE, State.CANCELLING, "interrupt asked by eve")
    assert not noted.final


async def test_times_never_run_backwards(store: Store) -> None:
    times = [event.at for event in await events_of(store, await _long_life(store))]
    assert all(later - earlier > -timedelta(milliseconds=50) for earlier, later in pairwise(times))
