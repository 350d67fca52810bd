"""The dispatcher alone, over a queue that hands out what the test put on its shelf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from windlass.errors import StoreUnavailable
from windlass.host import service
from windlass.host.dispatcher import Dispatcher
from windlass.store.facts import Asked, Claimed

from tests.waiting import eventually

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def claimed(id_: int, priority: int = 5, minutes: float = 0.0) -> Claimed:
    return Claimed(
        id=id_,
        attempt=1,
        uncounted=0,
        kind="Noop",
        priority=priority,
        next_try_at=NOON + timedelta(minutes=minutes),
        payload=b"{}",
        title="",
        trigger="api",
        initiator="ada",
        labels=b"{}",
        created_at=NOON,
        attempt_limit=None,
        retry_pause=None,
    )


class Shelf:
    """A queue with tasks on it; `on_claim` happens while an answer is on its way."""

    def __init__(self) -> None:
        self.tasks: list[Claimed] = []
        self.lost: list[Claimed] = []
        self.asked: list[int] = []
        self.known: list[int] = []
        self.on_claim: Callable[[], None] = lambda: None

    async def claim(self, node: int, pool: str, kinds: Sequence[str], limit: int) -> list[Claimed]:
        self.asked.append(limit)
        taken, self.tasks = self.tasks[:limit], self.tasks[limit:]
        await asyncio.sleep(0)
        self.on_claim()
        return taken

    async def reclaim(self, node: int, pool: str, known: Sequence[int]) -> list[Claimed]:
        self.known = list(known)
        found, self.lost = self.lost, []
        return found


class Desk:
    """What a node is to its dispatcher: a gate, and a ledger of what was started."""

    def __init__(self, slots: int) -> None:
        self.shelf = Shelf()
        self.open = True
        self.running: list[int] = []
        self.late: list[tuple[int, int]] = []
        self.dispatcher = Dispatcher(
            self.shelf,  # type: ignore[arg-type]
            "default",
            ["Noop"],
            lambda _, one: self.running.append(one.id),
            lambda: 1 if self.open else None,
            lambda: [*self.running, *(one.id for one in self.dispatcher.waiting())],
        )
        self.dispatcher.resize(slots)
        self.dispatcher.on_late = lambda node, one: self.late.append((node, one.id))

    def end(self, id_: int) -> None:
        self.running.remove(id_)
        self.dispatcher.freed()


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(service, "PAUSE_AFTER_FAILURE", 0.01)
    made = Desk(slots=2)
    yield made
    await made.dispatcher.stop()


async def test_it_starts_what_it_claimed_up_to_its_slots(desk: Desk) -> None:
    desk.shelf.tasks = [claimed(n) for n in range(1, 6)]
    desk.dispatcher.start()
    await eventually(lambda: len(desk.running) == 2)
    desk.end(1)
    await eventually(lambda: desk.running == [2, 3])


async def test_of_what_it_holds_the_best_is_started_first(desk: Desk) -> None:
    desk.open = False
    wanted = [claimed(1, 5, 2), claimed(2, 9, 9), claimed(3, 5, 1), claimed(4, 5, 1)]
    desk.shelf.tasks = wanted
    await desk.dispatcher._claim(1, 4)
    desk.open = True
    desk.dispatcher.start()
    await eventually(lambda: len(desk.running) == 2)
    assert desk.running == [2, 3]
    desk.end(2)
    desk.end(3)
    assert desk.running == [4, 1]


async def test_what_it_holds_is_started_when_the_gate_opens_again(desk: Desk) -> None:
    def close() -> None:
        desk.open = False

    desk.shelf.tasks = [claimed(1), claimed(2)]
    desk.shelf.on_claim = close
    desk.dispatcher.start()
    await eventually(lambda: len(desk.dispatcher.waiting()) == 2)
    assert desk.running == []
    desk.open = True
    desk.dispatcher.look()
    await eventually(lambda: desk.running == [1, 2])


async def test_a_closed_gate_claims_nothing(desk: Desk) -> None:
    desk.open = False
    desk.shelf.tasks = [claimed(1)]
    desk.dispatcher.start()
    desk.dispatcher.look()
    await asyncio.sleep(0)
    assert desk.shelf.asked == []


async def test_after_an_answer_that_was_lost_it_asks_for_what_it_holds(desk: Desk) -> None:
    def lose() -> None:
        desk.shelf.on_claim = lambda: None
        desk.shelf.lost = [claimed(1)]
        raise StoreUnavailable("the answer got lost")

    desk.shelf.on_claim = lose
    desk.dispatcher.start()
    await eventually(lambda: desk.running == [1])
    desk.shelf.tasks = [claimed(2)]
    desk.dispatcher.look()
    await eventually(lambda: desk.running == [1, 2])


async def test_a_claim_that_comes_after_the_heap_was_given_up_is_handed_back(desk: Desk) -> None:
    desk.shelf.tasks = [claimed(1)]
    desk.shelf.on_claim = desk.dispatcher.give_up  # type: ignore[assignment]
    desk.dispatcher.start()
    await eventually(lambda: desk.late == [(1, 1)])
    assert desk.running == []


async def test_a_task_taken_out_of_the_heap_is_not_started(desk: Desk) -> None:
    desk.open = False
    desk.shelf.tasks = [claimed(n) for n in (1, 2, 3)]
    await desk.dispatcher._claim(1, 3)
    dropped = desk.dispatcher.drop(Asked(2, "eve", ""))
    assert dropped is not None
    assert dropped.id == 2
    assert desk.dispatcher.drop(Asked(2, "eve", "")) is None
    desk.open = True
    desk.dispatcher.start()
    await eventually(lambda: desk.running == [1, 3])


async def test_what_came_while_the_gate_was_closed_is_claimed_when_a_slot_comes_free(desk: Desk) -> None:
    desk.dispatcher.poll_seconds = 60
    desk.shelf.tasks = [claimed(1)]
    desk.dispatcher.start()
    await eventually(lambda: desk.running == [1])
    # The claim found less than it wanted; what comes now rings once, and finds the gate closed.
    desk.open = False
    desk.shelf.tasks = [claimed(2)]
    desk.dispatcher.look()
    for _ in range(10):  # turns of the loop, for the ring to be heard
        await asyncio.sleep(0)
    desk.open = True
    desk.end(1)
    await eventually(lambda: desk.running == [2])
