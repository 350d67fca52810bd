"""The console's watch of the server: hints for browsers, an hour of samples, and what is drawn of a picture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc
import pytest
from windlass_client import Client, Lane, LaneStanding, Picture
from windlass_console.live import PAUSE, Live
from windlass_console.pages.overview import subject
from windlass_console.rendering import environment
from windlass_console.series import KEPT, STEP, Series
from windlass_proto.v1 import overview_pb2

from tests.clients.fake_server import FakeServer, hangs, refuses
from tests.clients.test_top_values import NONE, NOW, PICTURE, POOL

ALL = {"overview", "queue", "history", "link"}


@pytest.fixture
async def live(server: FakeServer) -> AsyncIterator[Live]:
    """Of a server that has stopped before it was ever reached."""
    await server.stop()
    async with Client.connect(server.address, "secret", timeout=0.2) as client:
        live = Live(client)
        yield live
        await live.close()


async def _until(live: Live, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10), aclosing(live.hints()) as hints:
        while not true():
            await anext(hints)


async def test_a_watch_that_ended_is_begun_again_until_there_is_a_server(live: Live, server: FakeServer) -> None:
    live.start()
    await _until(live, lambda: "does not answer" in live.trouble)
    lost_at = live.changed_at
    picture = overview_pb2.Picture(summary="3 running", active_count=3)
    denied = refuses(grpc.StatusCode.PERMISSION_DENIED, "not you")
    server.world.answers["Overview.WatchOverview"] += [[denied], [picture, hangs]]
    await server.start()
    await _until(live, lambda: "not you" in live.trouble)
    await _until(live, lambda: live.reachable)
    assert live.picture is not None
    assert (live.picture.summary, live.trouble) == ("3 running", "")
    assert live.changed_at > lost_at
    assert [row[2] for row in live.series.rows()][-1] == 3
    await server.stop()
    await _until(live, lambda: not live.reachable)
    assert server.address in live.trouble
    assert live.picture.summary == "3 running"


async def test_a_slow_reader_holds_a_set_of_topics_and_gets_them_as_one(live: Live) -> None:
    async with aclosing(live.hints()) as hints:
        first = asyncio.ensure_future(anext(hints))
        await asyncio.sleep(0)
        live.tell("queue")
        assert await first == {"queue"}
        for _ in range(10_000):
            live.tell("overview", "queue")
            live.tell("history", "link")
        began = time.monotonic()
        assert await anext(hints) == ALL
        assert time.monotonic() - began > PAUSE / 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(hints), 2 * PAUSE)
    assert live.listeners == 0


async def test_many_browsers_are_told_less_often_each(live: Live) -> None:
    alone = live.pause
    many = [live.hints() for _ in range(200)]
    waiting = [asyncio.ensure_future(anext(each)) for each in many]
    await asyncio.sleep(0)
    assert alone < 0.5
    assert live.pause > 3
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_is_made_of_a_picture_is_made_once_for_all_until_the_next_one(live: Live) -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [live.once("panel", make) for _ in range(3)] == [1, 1, 1]
    live._show(PICTURE)
    assert live.once("panel", make) == 2


def _seen(**known: Any) -> Picture:
    return replace(PICTURE, **known)


def test_rates_are_a_minute_over_the_last_samples() -> None:
    series = Series()
    for number in range(5):
        series.add(1000 + number * STEP, _seen(counts=replace(NONE, started=number * 10, failed=number)))
    rows = series.rows()
    assert rows[0][5] is None
    assert [row[5] for row in rows[1:]] == [120] * 4
    assert rows[-1][8] == 12


def test_pickup_is_the_average_of_those_that_started() -> None:
    series = Series()
    for place, many in enumerate((0, 10, 20, 20, 20, 20)):
        series.add(1000 + place * STEP, _seen(counts=replace(NONE, started=many, waited=many * 0.025)))
    assert [row[11] for row in series.rows()] == [None, 0.025, 0.025, 0.025, 0.025, None]


def test_an_outage_and_a_console_that_stood_still_are_gaps() -> None:
    series = Series()
    series.add(1000, _seen())
    series.add(1005, None)
    series.add(1010, _seen())
    series.add(1100, _seen())
    rows = series.rows()
    assert [(row[0], row[1]) for row in rows] == [(1000, 0), (1005, None), (1010, 0), (1015, None), (1100, 0)]
    assert rows[2][5] is None
    assert rows[-1][5] is None


def test_the_longest_wait_goes_on_between_two_pictures_and_an_hour_is_kept() -> None:
    series = Series()
    waits = _seen(pools=(replace(POOL, waiting=3, oldest_wait=2.0), replace(POOL, waiting=0, oldest_wait=None)))
    series.add(0, waits, age=4.0)
    assert series.rows()[0][1:4] == (3, 0, 6)
    for number in range(1, KEPT + 10):
        series.add(number * STEP, waits)
    assert len(series.rows()) == KEPT
    assert series.rows(2)[0][0] == (KEPT + 8) * STEP


async def test_a_lane_shows_its_holder_and_who_is_next_and_a_name_is_only_text(live: Live) -> None:
    standing = [LaneStanding(task, 1, "host/1", NOW) for task in (7, 8, 9)]
    lane = Lane("<b>publish</b>", 4, standing[0], tuple(standing[1:]))
    page = environment().get_template("overview/panel.html")
    text = page.render(
        prefix="/windlass", live=live, standing="active", subject=subject,
        picture=_seen(lanes=(lane,)), folding=[], newest="[]", is_whole=True,
    )  # fmt: skip
    assert "&lt;b&gt;publish" in text
    assert [f'href="/windlass/tasks/{task}"' in text for task in (7, 8, 9)] == [True] * 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tasks/12", ("task 12", "/tasks/12")),
        ("kinds/Noop", ("kind Noop", "/pools")),
        ("nodes/3", ("node 3", "/nodes")),
        ("moons/1", ("moon 1", "")),
    ],
)
def test_what_a_signal_is_about_leads_to_its_page(name: str, said: tuple[str, str]) -> None:
    assert subject(name) == said
