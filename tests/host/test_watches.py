"""Followers: one query for all of them, and nothing held for those that do not read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import pytest
import pytest_asyncio
from windlass import Context, Outcome, Success
from windlass.core.sequence import sequence
from windlass.errors import ShuttingDown, StoreUnavailable
from windlass.host.watches import POLL_SECONDS, PORTION, Watches
from windlass.store.facts import Chunk, EventFacts, Said, Watched
from windlass.store.port import Library, Store

from tests.contract.facts import new_task, node_of
from tests.host.rig import Rig
from tests.host.rig import asked as asked_for
from tests.waiting import eventually

LOOKS = 5


class CountedLibrary:
    """A library that keeps what was asked of it, and is away for the next `away` questions."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.asked: list[Sequence[Watched]] = []
        self.given: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = 0
        self.answered = 0

    async def events(
        self, watched: Sequence[Watched], limit: int, portion: int | None = None
    ) -> dict[int, list[EventFacts]]:
        self.asked.append(watched)
        if self.away > 0:
            self.away -= 1
            raise StoreUnavailable("gone")
        found = await self._library.events(watched, limit, portion)
        self.answered += 1
        await self.gate.wait()
        self.given.append(sum(len(event.data or b"") for events in found.values() for event in events))
        return found


@pytest_asyncio.fixture
async def library(store: Store) -> CountedLibrary:
    return CountedLibrary(store.library)


@pytest_asyncio.fixture
async def watches(library: CountedLibrary) -> AsyncIterator[Watches]:
    service = Watches(library)  # type: ignore[arg-type]
    service.start()
    yield service
    await service.stop()


async def waiting_tasks(store: Store, count: int) -> list[int]:
    return [receipt.task for receipt in await store.queue.enqueue([new_task()] * count)]


async def follow(watches: Watches, task: int, after: int = 0) -> list[EventFacts]:
    return [event async for event in watches.follow(task, after)]


async def following(watches: Watches, task: int) -> AsyncGenerator[EventFacts, None]:
    async for event in watches.follow(task, 0):
        yield event


async def test_a_follower_that_does_not_read_costs_nothing_and_nothing_is_gathered_for_it(
    store: Store, library: CountedLibrary, watches: Watches
) -> None:
    [slow, quick] = await waiting_tasks(store, 2)
    async with aclosing(following(watches, slow)) as reader:
        created = await anext(reader)
        assert not watches.hungry, "it is busy with what it got"
        asked = len(library.asked)
        other = asyncio.create_task(follow(watches, quick, after=1))
        await eventually(lambda: len(library.asked) >= asked + LOOKS)
        assert {watched.task for look in library.asked[asked:] for watched in look} == {quick}
        other.cancel()
        await store.queue.interrupt(asked_for(slow))
        [over] = [event async for event in reader]
        assert (created.sequence, over.final) == (1, True)


async def test_many_followers_cost_one_query_a_look(store: Store, library: CountedLibrary, watches: Watches) -> None:
    tasks = await waiting_tasks(store, 1_000)
    readers = [asyncio.create_task(follow(watches, task, after=1)) for task in tasks]
    # Each was looked after by himself at first; since then they are up to date.
    await eventually(lambda: bool(library.asked) and len(library.asked[-1]) == 1_000)
    seen = len(library.asked)
    await eventually(lambda: len(library.asked) >= seen + LOOKS)
    assert all(len(watched) == 1_000 for watched in library.asked[seen:]), "not all in one"
    await put_out(readers)
    assert not watches.hungry


async def test_who_comes_is_looked_after_at_once_and_alone(
    store: Store, library: CountedLibrary, watches: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    [new, *others] = await waiting_tasks(store, 100)
    readers = [asyncio.create_task(follow(watches, task, after=1)) for task in others]
    await eventually(lambda: bool(library.asked) and len(library.asked[-1]) == 99)
    monkeypatch.setattr("windlass.host.watches.POLL_SECONDS", 60.0)
    await eventually(lambda: watches._poll_due > asyncio.get_running_loop().time() + 10)
    seen = len(library.asked)
    async with aclosing(following(watches, new)) as events:
        assert (await asyncio.wait_for(anext(events), 5)).sequence == 1
    assert library.asked[seen:] == [[Watched(new, 0)]]
    await put_out(readers)


async def test_news_that_come_during_a_look_are_looked_for_again(
    store: Store, library: CountedLibrary, watches: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.host.watches.POLL_SECONDS", 60.0)
    watches._poll_due = asyncio.get_running_loop().time() + 60
    [task] = await waiting_tasks(store, 1)
    library.gate.clear()
    reader = asyncio.create_task(follow(watches, task, after=1))
    await eventually(lambda: library.answered == 1)
    await store.queue.interrupt(asked_for(task))
    watches.nudge([task])
    library.gate.set()
    [end] = await asyncio.wait_for(reader, 5)
    assert end.final


async def test_a_follower_on_another_node_misses_and_repeats_nothing_however_often_it_comes_again(rig: Rig) -> None:
    async def speaks(ctx: Context) -> Outcome:
        for n in range(200):
            await ctx.step(f"{n}")
            await ctx.output(b"%d\n" % n)
            if n % 10 == 0:
                await rig.theatre.released.wait() if n == 100 else await asyncio.sleep(0)
        return Success()

    await rig.start()
    elsewhere = Watches((await rig.another_store()).library)
    elsewhere.start()
    task = await rig.enqueue(speaks)
    whole: list[EventFacts] = []
    chance = random.Random(7)
    while not whole or not whole[-1].final:
        async with aclosing(elsewhere.follow(task, whole[-1].sequence if whole else 0)) as events:
            left = chance.randint(1, 30)
            async for event in events:
                whole.append(event)
                left -= 1
                if event.text == "99":
                    rig.theatre.released.set()
                if not left:
                    break
    await elsewhere.stop()
    assert whole == await rig.events(task)
    assert [event.text for event in whole if event.type == 3] == [str(n) for n in range(200)]


async def test_a_slow_reader_holds_one_portion(store: Store, library: CountedLibrary, watches: Watches) -> None:
    [task], node = await waiting_tasks(store, 1), await node_of(store)
    await store.queue.claim(node, "default", ["Noop"], 1)
    chunks = tuple(Chunk(sequence(1, n), 0.0, 1, b"x" * 65_536) for n in range(1, 41))
    await store.queue.say(node, [Said(task, 1, 0.0, chunks=chunks)])
    seen = 0
    async with aclosing(following(watches, task)) as reader:
        async for event in reader:
            seen += len(event.data or b"")
            if event.sequence == chunks[-1].sequence:
                break
    assert seen == 40 * 65_536
    assert max(library.given) <= PORTION + 65_536


async def test_who_follows_a_server_that_goes_is_told_to_go_on_elsewhere(store: Store, watches: Watches) -> None:
    current, asking = await waiting_tasks(store, 2)
    reader = asyncio.create_task(follow(watches, current, after=1))
    await eventually(lambda: current in watches._current)
    watches.close()
    late = asyncio.create_task(follow(watches, asking))
    for told in (reader, late):
        with pytest.raises(ShuttingDown):
            await asyncio.wait_for(told, 5)
    assert not watches.hungry


async def put_out(readers: list[asyncio.Task[list[EventFacts]]]) -> None:
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def test_looks_are_paced_while_nothing_happens(store: Store, library: CountedLibrary, watches: Watches) -> None:
    [task] = await waiting_tasks(store, 1)
    reader = asyncio.create_task(follow(watches, task, after=1))
    loop = asyncio.get_running_loop()
    await eventually(lambda: len(library.asked) >= 2)
    seen, began = len(library.asked), loop.time()
    await eventually(lambda: len(library.asked) >= seen + LOOKS)
    assert loop.time() - began > POLL_SECONDS * 0.8 * LOOKS
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)


async def test_nobody_following_costs_nothing(store: Store, library: CountedLibrary, watches: Watches) -> None:
    [task] = await waiting_tasks(store, 1)
    async with aclosing(following(watches, task)) as events:
        assert (await anext(events)).sequence == 1
        # It has its event and asks for no more: nothing is gathered for it.
        assert not watches.hungry
        seen = len(library.asked)
        await store.queue.claim(await node_of(store), "default", ["Noop"], 1)
        watches.nudge([task])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3 * POLL_SECONDS)
        assert len(library.asked) == seen


async def test_followers_of_one_task_at_different_places_each_get_the_rest(rig: Rig) -> None:
    async def speaks(ctx: Context) -> Outcome:
        for n in range(5):
            await ctx.step(f"{n}")
        return Success()

    kernel = await rig.start()
    task = await rig.enqueue(speaks)
    await rig.ended(task)
    whole = await rig.events(task)
    places = [0, *[event.sequence for event in whole[:-1]]]
    rests = await asyncio.gather(*(follow(kernel.watches, task, place) for place in places))
    assert rests == [whole[n:] for n in range(len(whole))]


async def test_following_ends_after_the_final_event(rig: Rig) -> None:
    async def waits(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    kernel = await rig.start()
    task = await rig.enqueue(waits)
    reader = asyncio.create_task(follow(kernel.watches, task))
    await rig.began(task)
    await eventually(lambda: bool(kernel.watches.hungry))
    rig.theatre.released.set()
    events = await asyncio.wait_for(reader, 5)
    assert events[-1].final
    assert not any(event.final for event in events[:-1])
    assert not kernel.watches.hungry


async def test_a_store_that_was_away_costs_a_follower_nothing_but_time(
    store: Store, library: CountedLibrary, watches: Watches
) -> None:
    [task] = await waiting_tasks(store, 1)
    library.away = 1
    async with aclosing(following(watches, task)) as events:
        assert (await asyncio.wait_for(anext(events), 5)).sequence == 1
    assert len(library.asked) == 2


async def test_news_of_this_node_reach_a_follower_before_the_next_poll(rig: Rig) -> None:
    said: asyncio.Queue[float] = asyncio.Queue()
    go: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def speaks(ctx: Context) -> Outcome:
        for n in range(5):
            await go.get()
            said.put_nowait(loop.time())
            await ctx.step(f"{n}")
        return Success()

    kernel = await rig.start()
    task = await rig.enqueue(speaks)
    await rig.began(task)
    took = []
    async for event in kernel.watches.follow(task, 0):
        if event.type == 3:
            took.append(loop.time() - said.get_nowait())
        if len(took) < 5 and (event.type == 3 or event.state == 2):
            go.put_nowait(None)
    assert len(took) == 5
    assert sorted(took)[2] < 0.5
