"""The overview on a virtual clock: who looks shares a read, nobody is sent the same twice, and idle costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from windlass.core.sections import HealthGauge, HealthLine, HealthSection
from windlass.core.vitals import PoolVitals
from windlass.errors import StoreUnavailable
from windlass.host.overview import Overview
from windlass.host.picture import Picture
from windlass.host.sections import ANSWER_SECONDS, PAUSE_AFTER_MISS, Sections
from windlass.store.memory import MemoryStore, World
from windlass.store.survey import Depths
from windlass.testing import virtual

from tests.contract.facts import new_task, node_of, running

START = datetime(2030, 1, 1, tzinfo=UTC)
FOUR = frozenset({"a", "b", "c", "d"})


class Rig:
    """An overview over a store in memory whose clock is the loop's.  `reads` says when each read began."""

    def __init__(self, **hooks: Any) -> None:
        self.now = asyncio.get_running_loop().time
        self.store = MemoryStore(World(lambda: START + timedelta(seconds=self.now())))
        self.reads: list[float] = []
        self.away = False
        self.takes = 0.0
        depths = self.store.survey.depths

        async def counted() -> Depths:
            self.reads.append(self.now())
            await asyncio.sleep(self.takes)
            if self.away:
                raise StoreUnavailable("the store is away")
            return await depths()

        self.store.survey.depths = counted  # type: ignore[method-assign]
        asked: Any = {name: lambda _, hook=hook: hook() for name, hook in hooks.items()}
        sections = Sections(asked, lambda _: None)  # type: ignore[arg-type,return-value]
        self.overview = Overview(self.store.survey, self.store.statistics, sections, {})

    async def add(self, pool: str = "default") -> None:
        await self.store.queue.enqueue([new_task(pool=pool)])

    @asynccontextmanager
    async def watching(self, *pools: str, interval: float = 1.0) -> AsyncIterator[Watcher]:
        watcher = Watcher(self, interval, frozenset(pools))
        async with aclosing(watcher.pictures):
            yield watcher


class Watcher:
    def __init__(self, rig: Rig, interval: float, pools: frozenset[str]) -> None:
        self.pictures = rig.overview.watch(interval, pools)
        self._now = rig.now

    async def next(self) -> tuple[float, Picture]:
        picture = await anext(self.pictures)
        return self._now(), picture


def waiting(picture: Picture) -> int:
    return sum(pool.waiting for pool in picture.pools)


# --- one read for all


@virtual
async def test_who_asks_within_a_second_gets_the_same_picture() -> None:
    rig = Rig()
    first = await rig.overview.picture()
    await asyncio.sleep(0.8)
    assert await rig.overview.picture() is first
    await asyncio.sleep(0.3)
    second = await rig.overview.picture()
    assert second.time > first.time
    assert rig.reads == [pytest.approx(0.0), pytest.approx(1.1, abs=0.01)]


@virtual
async def test_a_thousand_who_ask_at_once_share_one_read() -> None:
    rig = Rig()
    rig.takes = 0.2
    pictures = await asyncio.gather(*(rig.overview.picture() for _ in range(1_000)))
    assert len(rig.reads) == 1
    assert all(picture is pictures[0] for picture in pictures)


@virtual
async def test_many_watchers_share_one_read_a_second_and_when_they_are_gone_nothing_is_read() -> None:
    rig = Rig()

    async def watch(after: float, pools: frozenset[str]) -> None:
        await asyncio.sleep(after)
        async for _ in rig.overview.watch(1.0, pools):
            pass

    watchers = [asyncio.create_task(watch(n / 50, FOUR if n % 2 else frozenset())) for n in range(50)]
    await asyncio.sleep(20.0)
    assert rig.overview.watchers == 50
    assert 18 <= len(rig.reads) <= 23
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    assert rig.overview.watchers == 0
    read = len(rig.reads)
    await asyncio.sleep(3_600.0)
    assert len(rig.reads) == read


@virtual
async def test_whoever_watches_at_half_a_second_is_read_for_twice_a_second_and_only_as_long() -> None:
    calls: list[float] = []

    async def health() -> HealthSection:
        calls.append(asyncio.get_running_loop().time())
        return section()

    rig = Rig(buffer=health)

    async def watch(interval: float) -> None:
        async for _ in rig.overview.watch(interval):
            pass

    slow, *quick = [asyncio.create_task(watch(interval)) for interval in (1.0, 0.5, 0.1, 0.0)]
    await asyncio.sleep(10.1)
    assert 20 <= len(rig.reads) <= 22
    assert len(calls) <= 11, "plugins are still asked once a second"
    for watcher in quick:
        watcher.cancel()
    rig.reads.clear()
    await asyncio.sleep(10.0)
    assert 9 <= len(rig.reads) <= 12
    slow.cancel()
    await asyncio.gather(slow, *quick, return_exceptions=True)
    rig.reads.clear()
    await asyncio.sleep(3_600.0)
    assert rig.reads == []


@virtual
async def test_who_gives_up_leaves_the_others_their_read() -> None:
    rig = Rig()
    rig.takes = 0.5
    first = asyncio.create_task(rig.overview.picture())
    second = asyncio.create_task(rig.overview.picture())
    await asyncio.sleep(0.1)
    first.cancel()
    assert (await second).is_idle
    assert len(rig.reads) == 1


@virtual
async def test_a_read_that_takes_long_is_asked_for_less_often() -> None:
    rig = Rig()
    rig.takes = 5.0
    async with rig.watching() as watcher:
        asked = [await watcher.next() for _ in range(3)]
        await rig.add()
        asked.append(await watcher.next())
    assert len(rig.reads) <= 1 + asked[-1][0] / 10.0


@virtual
async def test_while_the_store_is_away_everybody_hears_so_and_then_it_goes_on() -> None:
    rig = Rig()
    rig.away = True
    for answer in await asyncio.gather(rig.overview.picture(), rig.overview.picture(), return_exceptions=True):
        assert isinstance(answer, StoreUnavailable)
    assert len(rig.reads) == 1
    rig.away = False
    assert (await rig.overview.picture()).is_idle


@virtual
async def test_stopping_ends_a_read_that_is_on_its_way() -> None:
    rig = Rig()
    rig.takes = 1_000.0
    asking = asyncio.create_task(rig.overview.picture())
    await asyncio.sleep(1.0)
    await rig.overview.stop()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await rig.overview.stop()


# --- watching


@virtual
async def test_a_watcher_is_sent_the_picture_at_once_and_again_when_it_has_changed() -> None:
    rig = Rig()
    async with rig.watching() as watcher:
        assert waiting((await watcher.next())[1]) == 0
        soon = asyncio.create_task(watcher.next())
        await asyncio.sleep(5.3)
        assert not soon.done(), "nothing has changed"
        await rig.add()
        at, picture = await soon
        assert waiting(picture) == 1
        assert at <= 7.0


@virtual
async def test_without_a_change_a_picture_comes_every_fifteen_seconds() -> None:
    rig = Rig()
    for interval in (0.0, 1.0, 7.0, 10.0, 15.0, 3_600.0):
        async with rig.watching(interval=interval) as watcher:
            times = [(await watcher.next())[0] for _ in range(4)]
        pauses = [later - sooner for sooner, later in pairwise(times)]
        assert all(9.9 <= pause <= 15.1 for pause in pauses), (interval, pauses)


@virtual
async def test_age_alone_is_no_change() -> None:
    rig = Rig()
    await running(rig.store, await node_of(rig.store, lease=1e6))
    await rig.add()
    async with rig.watching() as watcher:
        first = await watcher.next()
        assert first[1].pools[0].oldest_at is not None
        assert first[1].active
        assert (await watcher.next())[0] - first[0] >= 14.0


@virtual
async def test_changes_come_at_most_one_an_interval() -> None:
    rig = Rig()
    async with rig.watching(interval=4.0) as watcher:
        times = []
        for _ in range(4):
            times.append((await watcher.next())[0])
            await rig.add()
    assert times == [pytest.approx(at, abs=0.1) for at in (0.0, 4.0, 8.0, 12.0)]


@virtual
async def test_a_slow_reader_gets_the_newest_picture_and_none_in_between() -> None:
    rig = Rig()
    async with rig.watching() as slow:
        await slow.next()
        for _ in range(30):
            await rig.add()
            await asyncio.sleep(1.0)
        assert len(rig.reads) == 1, "nothing was gathered for it"
        at, picture = await slow.next()
        assert waiting(picture) == 30
        assert at == pytest.approx(30.0, abs=0.1)


@virtual
async def test_who_sees_some_pools_is_told_of_changes_in_these_only() -> None:
    rig = Rig()
    async with rig.watching("feeds") as watcher:
        first = await watcher.next()
        assert first[1].pools == ()
        for _ in range(10):
            await rig.add("default")
            await asyncio.sleep(0.5)
        await rig.add("feeds")
        at, picture = await watcher.next()
        assert [pool.name for pool in picture.pools] == ["feeds"]
        assert 5.0 <= at <= 7.1


@virtual
async def test_signals_need_no_more_than_somebody_who_looks() -> None:
    rig = Rig()
    await rig.store.pools.register({"default": 4}, [])
    node = await node_of(rig.store, lease=1e6)
    await running(rig.store, node)
    async with rig.watching() as watcher:
        await watcher.next()
        await rig.add()
        names: list[str] = []
        while not names:
            at, picture = await watcher.next()
            names = [signal.name for signal in picture.signals]
    assert names == ["idle-while-waiting"]
    assert 15.0 <= at <= 40.0
    assert picture.signals[0].subjects == ("pools/default",)


# --- what plugins add


def section(summary: str = "fine") -> HealthSection:
    return HealthSection("Buffer", summary, [HealthLine("queued", "3", is_alarming=True)], {"queued": 3})


@virtual
async def test_a_plugins_section_is_shown_under_its_name() -> None:
    async def health() -> HealthSection:
        return section()

    async def nothing() -> None:
        return None

    [shown] = (await Rig(buffer=health, quiet=nothing).overview.picture()).sections
    assert (shown.name, shown.title, shown.summary, shown.data) == ("buffer", "Buffer", "fine", b'{"queued":3}')
    assert shown.lines == (HealthLine("queued", "3", is_alarming=True),)


@virtual
async def test_a_plugin_is_asked_once_a_second_and_not_at_all_when_nobody_looks() -> None:
    calls: list[float] = []

    async def health() -> HealthSection:
        calls.append(asyncio.get_running_loop().time())
        return section(str(len(calls)))

    rig = Rig(buffer=health)
    await asyncio.sleep(100.0)
    assert calls == []
    async with rig.watching() as one, rig.watching() as two:
        for _ in range(10):
            await one.next()
            await two.next()
    assert len(calls) == 10
    assert calls[-1] - calls[0] >= 9.0


@virtual
async def test_a_slow_plugin_costs_its_own_section_only_and_is_left_alone_for_a_while() -> None:
    calls: list[float] = []

    async def slow() -> HealthSection:
        calls.append(asyncio.get_running_loop().time())
        await asyncio.sleep(5.0 if len(calls) < 2 else 0.0)
        return section("late")

    async def quick() -> HealthSection:
        return section()

    rig = Rig(slow=slow, quick=quick)
    late, fine = (await rig.overview.picture()).sections
    assert rig.now() == pytest.approx(ANSWER_SECONDS, abs=0.01)
    assert (fine.name, fine.summary) == ("quick", "fine")
    assert (late.name, late.summary, late.lines[0].is_alarming) == ("slow", "does not say how it is", True)
    assert "did not answer within 0.5 s" in late.lines[0].value
    while rig.now() < PAUSE_AFTER_MISS - 1.0:
        await asyncio.sleep(1.0)
        before = rig.now()
        assert (await rig.overview.picture()).sections[0] == late
        assert rig.now() == before, "nobody waits for it again"
    await asyncio.sleep(3.0)
    assert (await rig.overview.picture()).sections[0].summary == "late"
    assert len(calls) == 2


@virtual
async def test_a_plugin_that_will_not_end_is_asked_no_second_time() -> None:
    calls = []

    async def stubborn() -> HealthSection:
        calls.append(1)
        while True:
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                if len(calls) > 1:
                    raise

    rig = Rig(stubborn=stubborn)
    for _ in range(60):
        [shown] = (await rig.overview.picture()).sections
        assert "did not answer" in shown.lines[0].value
        await asyncio.sleep(1.0)
    assert len(calls) == 1
    calls.append(1)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


@virtual
async def test_who_comes_as_often_as_he_likes_has_answers_of_the_last_second() -> None:
    calls: list[float] = []

    async def health() -> HealthSection:
        calls.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.1)
        return section(str(len(calls)))

    sections = Sections({"buffer": lambda _: health()}, lambda _: None)  # type: ignore[arg-type,return-value]
    both = await asyncio.gather(sections.recent(), sections.ask())
    assert [shown.summary for [shown] in both] == ["1", "1"], "two at once share one question"
    for _ in range(21):
        await asyncio.sleep(0.1)
        await sections.recent()
    assert calls == pytest.approx([0.0, 1.0, 2.0], abs=0.15)
    await sections.ask()
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("a string", "TypeError: it returned 'a string', no windlass.HealthSection"),
        (HealthSection("T", data=object()), "TypeError"),
        (HealthSection("T", data="x" * 70_000), "ValueError: its data has 70002 bytes as JSON, and at most 65536"),
        (HealthSection("T", lines=[3]), "AttributeError"),  # type: ignore[list-item]
        (HealthSection("T", probe={"x": "x" * 20_000}), "ValueError: its probe has 20008 bytes as JSON, and at most"),
        (HealthSection("T", gauges=[HealthGauge("a-b", 1)]), "ValueError: a gauge is called 'a-b': a-z, 0-9 and _"),
        (HealthSection("T", gauges=[HealthGauge("a", 1, {"A": ""})]), "ValueError: gauge a: labels are called as"),
        (
            HealthSection("T", gauges=[HealthGauge("a", 1), HealthGauge("a", 1, {"site": "x"})]),
            "ValueError: gauge a: once it has the labels [], once others",
        ),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops"),
    ],
)
def test_a_plugin_that_fails_says_so_in_its_own_section(returned: Any, words: str) -> None:
    @virtual
    async def play() -> None:
        async def health() -> Any:
            if isinstance(returned, Exception):
                raise returned
            return returned

        async def fine() -> HealthSection:
            return section()

        first, second = (await Rig(broken=health, fine=fine).overview.picture()).sections
        assert f"windlass_health raised {words}" in first.lines[0].value
        assert second.summary == "fine"

    play()


@virtual
async def test_long_texts_and_many_lines_are_cut() -> None:
    async def health() -> HealthSection:
        return HealthSection("t" * 900, "s" * 900, [HealthLine("n" * 900, "v\0" * 900)] * 200)

    [shown] = (await Rig(wordy=health).overview.picture()).sections
    assert (len(shown.title), len(shown.summary), len(shown.lines), len(shown.lines[0].value)) == (200, 200, 50, 200)
    assert "\0" not in shown.lines[0].value


@virtual
async def test_an_empty_store_is_idle_and_says_so() -> None:
    rig = Rig()
    await rig.store.pools.register({"default": 4}, [])
    await node_of(rig.store)
    picture = await rig.overview.picture()
    assert (picture.is_idle, picture.summary) == (True, "nothing running, nothing pending")
    assert (picture.pools, picture.live_nodes, picture.signals) == ((PoolVitals("default", 4),), 1, ())
