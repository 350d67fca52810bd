"""The Library contract: lists in pages, and cards."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import Page, TaskFacts
from windlass.store.port import Store

from tests.contract.facts import ask, claim, ended, held, new_task, node_of, said, stored

After = tuple[object, ...] | None


async def _walk(look: Callable[[After], Awaitable[Page[TaskFacts]]], size: int) -> list[TaskFacts]:
    """Every item, page by page; each page but the last is full."""
    found: list[TaskFacts] = []
    after: After = None
    while True:
        page = await look(after)
        found += page.items
        if page.after is None:
            return found
        assert len(page.items) == size
        after = page.after


async def _active(store: Store, size: int = 1_000) -> list[TaskFacts]:
    return await _walk(lambda after: store.library.active(size, after), size)


async def _cards(store: Store, size: int = 1_000, origin: int | None = None) -> list[int]:
    return [facts.id for facts in await _walk(lambda after: store.library.cards(size, after, origin), size)]


async def _some_of_everything(store: Store) -> None:
    """Ended, running, claimed, due, delayed and retried tasks of several priorities."""
    node = await node_of(store)
    chance = random.Random(8)
    for _ in range(3):
        await store.queue.enqueue(
            [new_task(priority=chance.choice([1, 5, 10]), origin=chance.choice([1, 2])) for _ in range(14)]
        )
    await store.queue.enqueue([new_task(priority=chance.choice([1, 5, 10]), delay=3600.0 + n) for n in range(8)])
    claimed = await claim(store, node, 25)
    await store.queue.say(node, [said(one) for one in claimed[:20]])
    verdicts = [Verdict.SUCCESS] * 3 + [Verdict.FAILED] * 2 + [Verdict.RETRY] * 4 + [Verdict.RETURNED] * 2
    ends = zip(claimed[: len(verdicts)], verdicts, [0.0, 1800.0] * 6, strict=False)
    await store.queue.finish(node, [ended(one, verdict, pause=pause) for one, verdict, pause in ends])


async def test_an_empty_queue_is_one_empty_page(store: Store) -> None:
    assert await store.library.active(10, None) == Page((), None)
    assert await store.library.cards(10, None, None) == Page((), None)


async def test_the_queue_shows_what_runs_and_then_what_waits_in_the_order_of_its_claim(store: Store) -> None:
    await _some_of_everything(store)
    listed = await _active(store)
    held_ = [facts for facts in listed if facts.node is not None]
    waiting = [facts for facts in listed if facts.node is None]
    assert listed == held_ + waiting
    assert [facts.id for facts in held_] == sorted(facts.id for facts in held_)
    keys = [(-facts.priority, facts.next_try_at, facts.id) for facts in waiting]
    assert keys == sorted(keys)
    assert {facts.state for facts in held_} == {State.RUNNING, State.PENDING}
    assert {facts.state for facts in waiting} == {State.PENDING}
    assert len(listed) == 45


@pytest.mark.parametrize("size", [1, 2, 7, 44, 45, 46])
async def test_pages_of_the_queue_are_complete_and_repeat_nothing(store: Store, size: int) -> None:
    await _some_of_everything(store)
    assert await _active(store, size) == await _active(store)


async def test_lists_leave_the_large_columns_out(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node, payload='{"large": true}')
    assert [facts.payload for facts in await _active(store)] == [None]
    await store.queue.finish(node, [ended(claimed, result='{"large": true}')])
    [card] = (await store.library.cards(10, None, None)).items
    assert (card.payload, card.result) == (None, None)
    assert card.state is State.COMPLETED


@pytest.mark.parametrize("size", [1, 2, 7, 25, 26, 27])
async def test_pages_of_history_are_complete_and_repeat_nothing(store: Store, size: int) -> None:
    await _some_of_everything(store)
    cards = await _cards(store)
    assert await _cards(store, size) == cards
    assert cards == sorted(set(cards), reverse=True)


@pytest.mark.parametrize("size", [3, 100])
@pytest.mark.parametrize("origin", [1, 2])
async def test_history_can_be_asked_for_one_origin(store: Store, origin: int, size: int) -> None:
    await _some_of_everything(store)
    wanted = [facts.id for facts in (await store.library.cards(1_000, None, None)).items if facts.origin == origin]
    assert wanted
    assert await _cards(store, size, origin) == wanted


async def test_history_shows_what_was_tried_and_what_has_ended_but_not_what_only_waits(store: Store) -> None:
    node = await node_of(store)
    claimed = [await held(store, node) for _ in range(5)]
    succeeded, retried, put_off, returned, started = claimed
    await store.queue.say(node, [said(started)])
    await store.queue.finish(
        node,
        [
            ended(succeeded),
            ended(retried, Verdict.RETRY),
            ended(put_off, Verdict.RETRY, pause=3600.0),
            ended(returned, Verdict.RETURNED),
        ],
    )
    waiting, later, canceled = *await stored(store), *await stored(store, delay=3600.0), *await stored(store)
    await ask(store, canceled)
    shown = await _cards(store)
    assert shown == [canceled, started.id, returned.id, put_off.id, retried.id, succeeded.id]
    assert waiting not in shown
    assert later not in shown


async def test_a_card_does_not_vanish_while_the_next_attempt_is_claimed(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY)])
    await claim(store, node)
    assert await _cards(store) == [claimed.id]


async def test_a_card_has_a_section_for_each_attempt_that_started(store: Store) -> None:
    node = await node_of(store, name="host/5")
    first = await held(store, node)
    await store.queue.finish(node, [ended(first, Verdict.RETRY, message="no luck")])
    [second] = await claim(store, node)
    await store.queue.finish(node, [ended(second, Verdict.RETURNED, started_age=None)])
    [third] = await claim(store, node)
    await store.queue.finish(node, [ended(third, Verdict.RETURNED, message="shutdown")])
    [fourth] = await claim(store, node)
    await store.queue.say(node, [said(fourth)])
    card = await store.library.card(first.id)
    assert card is not None
    assert [(one.attempt, one.verdict, one.message) for one in card.attempts] == [
        (1, Verdict.RETRY, "no luck"),
        (3, Verdict.RETURNED, "shutdown"),
        (4, Verdict.RUNNING, ""),
    ]
    assert {one.node for one in card.attempts} == {"host/5"}
    assert [one.ended_at is None for one in card.attempts] == [False, False, True]
    assert all(one.started_at is not None for one in card.attempts)
    await store.queue.finish(node, [ended(fourth, message="done", result="1")])
    card = await store.library.card(first.id)
    assert card is not None
    assert (card.attempts[-1].verdict, card.attempts[-1].message) == (Verdict.SUCCESS, "done")
    assert (card.task.attempt, card.task.uncounted, card.task.result) == (4, 2, b"1")


async def test_a_task_canceled_before_its_first_attempt_has_a_card_without_sections(store: Store) -> None:
    [task] = await stored(store)
    await ask(store, task)
    card = await store.library.card(task)
    assert card is not None
    assert (card.task.state, card.attempts) == (State.CANCELED, ())


async def test_a_task_that_nobody_has_claimed_yet_has_no_card(store: Store) -> None:
    [task] = await stored(store)
    assert await store.library.card(task) is None
    node = await node_of(store)
    await claim(store, node)
    card = await store.library.card(task)
    assert card is not None
    assert card.attempts == ()


async def test_every_task_stands_in_exactly_one_place(store: Store) -> None:
    await _some_of_everything(store)
    active = {facts.id for facts in await _active(store)}
    over = {facts.id for facts in (await store.library.cards(1_000, None, None)).items if facts.state.final}
    assert active.isdisjoint(over)
    assert len(active) + len(over) == 50
