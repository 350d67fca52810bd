"""Followers of lists: one look for all of one list, and never more kept for a slow one than a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import pytest_asyncio
from windlass.core.fields import TASKS
from windlass.core.filters import EVERYTHING, Filter, parse_filter
from windlass.core.orders import OWN
from windlass.errors import FilterTooBroad, StoreUnavailable, WindlassError
from windlass.host import pages as module
from windlass.host.pages import Change, Current, Gone, Pages
from windlass.store.facts import Page, TaskFacts
from windlass.store.memory import MemoryStore, World
from windlass.store.port import Store

from tests.contract.facts import ask, stored
from tests.waiting import eventually


class CountedLibrary:
    """A library that keeps which lists were looked at, and raises while there is something to raise."""

    def __init__(self, store: Store) -> None:
        self._library = store.library
        self.asked: list[str] = []
        self.trouble: WindlassError | None = None

    @property
    def looks(self) -> int:
        return len(self.asked)

    async def active(self, size: int, after: None, filter: Filter, *words: Any) -> Page[TaskFacts]:
        self.asked.append(filter.text)
        if self.trouble is not None:
            raise self.trouble
        return await self._library.active(size, after, filter, *words)


@pytest.fixture
def store() -> Store:
    return MemoryStore(World(lambda: datetime.now(UTC)))


@pytest.fixture
def library(store: Store, monkeypatch: pytest.MonkeyPatch) -> CountedLibrary:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(module, "CURRENT_SECONDS", 0.02)
    return CountedLibrary(store)


@pytest_asyncio.fixture
async def pages(library: CountedLibrary) -> AsyncIterator[Pages]:
    made = Pages(cast("Any", library))
    yield made
    await made.stop()


def follow(pages: Pages, filter: str = "", size: int = 10) -> AsyncGenerator[Change, None]:
    chosen = parse_filter(filter, TASKS) if filter else EVERYTHING
    return pages.follow(chosen, OWN, size)


async def told(follower: AsyncGenerator[Change, None]) -> list[Any]:
    """What is told before the page is current; ids of tasks that entered or changed."""
    found: list[Any] = []
    async for change in follower:
        if isinstance(change, Current):
            return found
        found.append(change.id if isinstance(change, TaskFacts) else change)
    raise AssertionError("it ended")


async def test_a_slow_follower_is_told_of_the_newest_page_and_of_nothing_between(store: Store, pages: Pages) -> None:
    kept, goes = await stored(store, 2)
    async with aclosing(follow(pages)) as slow, aclosing(follow(pages)) as quick:
        assert await told(slow) == [kept, goes]
        for n in range(20):
            [passing] = await stored(store)
            await eventually_told(quick, passing)
            await store.queue.reprioritize(kept, n)
            await ask(store, passing)
        await ask(store, goes)
        [last] = await stored(store, priority=50)
        await eventually_told(quick, last)
        assert await told(slow) == [last, kept, Gone(goes)]


async def eventually_told(follower: AsyncGenerator[Change, None], task: int) -> None:
    async with asyncio.timeout(10):
        while task not in await told(follower):
            pass


async def test_followers_of_one_list_share_its_looks(pages: Pages, library: CountedLibrary) -> None:
    followers = [follow(pages) for _ in range(50)]
    for follower in followers:
        assert await told(follower) == []
    assert pages.lists == 1
    before = library.looks
    await asyncio.gather(*(told(follower) for follower in followers))
    # Each was told of a later look; had each looked for itself, there would have been fifty.
    assert library.looks - before < 25
    for follower in followers:
        await follower.aclose()
    assert (pages.followers, pages.lists) == (0, 0)


async def test_a_list_that_nobody_follows_any_more_is_not_looked_at(pages: Pages, library: CountedLibrary) -> None:
    async with aclosing(follow(pages, "id > 0")) as other:
        async with aclosing(follow(pages)) as follower:
            await told(follower)
        await told(other)
        before = library.looks
        await eventually(lambda: library.looks > before + 10)
    # One may have been under way.
    assert library.asked[before:].count("") <= 1


async def test_an_outage_is_told_by_silence_and_ends_without_a_gap(
    store: Store, pages: Pages, library: CountedLibrary
) -> None:
    async with aclosing(follow(pages)) as follower:
        assert await told(follower) == []
        library.trouble = StoreUnavailable("gone")
        before = library.looks
        waiting = asyncio.create_task(told(follower))
        await eventually(lambda: library.looks > before + 5)
        # What was looked at before the outage may still be said to be current, once.
        if waiting.done():
            waiting = asyncio.create_task(told(follower))
            before = library.looks
            await eventually(lambda: library.looks > before + 5)
        assert not waiting.done()
        [task] = await stored(store)
        library.trouble = None
        assert await waiting == [task]


@pytest.mark.parametrize("trouble", [StoreUnavailable("gone"), FilterTooBroad("too much")])
async def test_a_list_that_can_not_be_looked_at_at_first_is_refused_and_may_be_asked_for_again(
    pages: Pages, library: CountedLibrary, trouble: WindlassError
) -> None:
    library.trouble = trouble
    with pytest.raises(type(trouble)):
        await told(follow(pages))
    library.trouble = None
    async with aclosing(follow(pages)) as follower:
        assert await told(follower) == []
    await eventually(lambda: not pages.lists)


async def test_a_filter_that_becomes_too_broad_ends_its_followers_and_no_others(
    pages: Pages, library: CountedLibrary
) -> None:
    async with aclosing(follow(pages)) as follower:
        assert await told(follower) == []
        library.trouble = FilterTooBroad("too much")
        with pytest.raises(FilterTooBroad):
            await eventually_told(follower, task=0)
    assert pages.followers == 0
