"""The overview in a browser: what runs and what waits, live, in words and in charts, through an outage too."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect
from windlass_client import Client, Role

from tests.console.browsing import HOSTILE, Console, accessible, browsing, good_looks, photograph
from tests.console.cutting import cutter_before
from tests.system.serving import Home, home_in
from tests.waiting import eventually

LIVE_MS = 3000
AWAY_MS = 8000
BACK_MS = 30_000

SEEN_AT = """
window.seen = {};
new MutationObserver(() => {
  for (const row of document.querySelectorAll("[id^=active-]")) window.seen[row.id] ??= Date.now();
}).observe(document.body, { subtree: true, childList: true });
"""

SAYS = """
say() { echo "$1" >&"$WINDLASS_STATUS_FD"; }
say '{"stage": "copying"}'
say '{"progress": [3, 10]}'
sleep 600
"""


async def test_what_runs_comes_and_goes_by_itself_and_a_title_is_only_text(page: Page, client: Client) -> None:
    await page.locator("#panel").wait_for()
    title = f"overview {HOSTILE}"
    handle = await client.enqueue("ExecuteScript", {"script": SAYS}, title=title)
    row = page.locator(f"#active-{handle.id}")
    await expect(row.get_by_role("link", name=title)).to_have_attribute("href", f"/tasks/{handle.id}", timeout=LIVE_MS)
    await expect(row.locator(".stage")).to_have_text("copying", timeout=LIVE_MS)
    await expect(row.get_by_role("progressbar")).to_have_attribute("value", "3", timeout=LIVE_MS)
    await expect(page.locator(".standing .word")).to_have_text("Active")
    await expect(page.locator("#chart-backlog .legend")).to_contain_text("running", timeout=LIVE_MS)
    assert await page.locator("#panel img").count() == 0
    await client.interrupt(handle.id)
    await expect(row).to_have_count(0, timeout=10_000)


async def test_a_change_is_on_the_page_within_a_second(page: Page, client: Client) -> None:
    """Each comes right behind a picture, so it waits as long as one may; a busy machine may spoil one of them."""
    await page.locator("#panel").wait_for()
    await page.evaluate(SEEN_AT)
    took, handles = [], []
    for number in range(8):
        began = time.time()
        handles.append(await client.enqueue("ExecuteScript", {"script": "sleep 60"}, title=f"soon {number}"))
        name = f"active-{handles[-1].id}"
        await page.wait_for_function("name => name in window.seen", arg=name)
        took.append(await page.evaluate("name => window.seen[name]", name) / 1000 - began)
    for handle in handles:
        await client.interrupt(handle.id)
    assert statistics.median(took) < 0.75, took
    assert sorted(took)[-2] < 1, took
    await expect(page.locator("#active-work")).not_to_contain_text("soon")


async def test_a_swap_leaves_scroll_focus_and_charts_alone(page: Page, client: Client) -> None:
    await page.locator("#chart-backlog canvas").wait_for()
    await page.get_by_role("region", name="Active tasks").or_(page.locator("#pools a").first).first.focus()
    await page.evaluate("document.querySelector('#chart-backlog canvas').dataset.mine = 'yes'")
    focused = await page.evaluate("document.activeElement.outerHTML.slice(0, 60)")
    handle = await client.enqueue("ExecuteScript", {"script": "true"}, due=datetime.now(UTC) + timedelta(hours=1))
    await expect(page.locator(".standing .summary")).to_contain_text("not due yet", timeout=LIVE_MS)
    assert await page.locator("#chart-backlog canvas[data-mine=yes]").count() == 1
    assert await page.evaluate("document.activeElement.outerHTML.slice(0, 60)") == focused
    await client.interrupt(handle.id)


async def test_what_changed_before_the_stream_was_open_is_not_missed(
    page: Page, client: Client, browser: Browser, console: Console
) -> None:
    opens = asyncio.Event()

    async def late(route: Route) -> None:
        await opens.wait()
        await route.continue_()

    await page.route("**/live", late)
    await page.reload()
    handle = await client.enqueue("ExecuteScript", {"script": "sleep 60"}, title="before the stream")
    async with browsing(browser, console, console.token) as other:
        await expect(other.locator(f"#active-{handle.id}")).to_be_visible(timeout=LIVE_MS)
    await expect(page.locator(f"#active-{handle.id}")).to_have_count(0)
    opens.set()
    await expect(page.locator(f"#active-{handle.id}")).to_be_visible(timeout=LIVE_MS)
    await client.interrupt(handle.id)


async def test_a_stream_that_went_silent_without_a_word_is_opened_again(
    browser: Browser, console: Console, client: Client
) -> None:
    async with (
        cutter_before(console.url) as cutter,
        browsing(browser, replace(console, url=cutter.url), console.token) as page,
    ):
        await page.clock.install()
        await page.reload()
        await expect(page.locator("#link")).to_have_text("live")
        cutter.silence(b"GET /live")
        handle = await client.enqueue("ExecuteScript", {"script": "sleep 60"}, title="while it was silent")
        before = cutter.asked.count(b"GET /live")

        async def opened_again() -> bool:
            await page.clock.run_for(5_000)
            return cutter.asked.count(b"GET /live") > before

        await eventually(opened_again)
        await page.clock.resume()
        await expect(page.locator(f"#active-{handle.id}")).to_be_visible()
        await client.interrupt(handle.id)


async def test_a_viewer_sees_the_same_and_who_may_see_one_pool_sees_that_one(
    browser: Browser, console: Console
) -> None:
    async with browsing(browser, console, await console.token_for(Role.VIEWER)) as page:
        await page.locator("#pools").get_by_text("default").wait_for()
        assert await page.locator("#panel button").count() == 0
    async with console.client() as client:
        narrow = await client.access.create_token("one-pool", Role.VIEWER, pools=["maintenance"])
    async with browsing(browser, console, narrow.secret) as page:
        await page.locator("#pools").get_by_text("maintenance").wait_for()
        await page.get_by_text("the pools of your token only").wait_for()
        assert await page.locator("#pools").get_by_text("default").count() == 0
        assert await page.locator("#charts").count() == 0
        for path in ("overview/panel", "overview/series"):
            text = await (await page.request.get(f"{console.url}/{path}")).text()
            assert "default" not in text
        assert text == "[]"


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[Home]:
    with home_in(tmp_path, WINDLASS_NODE_DRAIN_GRACE="0.5") as home:
        yield home


async def test_an_outage_is_told_in_words_and_over_by_itself(browser: Browser, own_home: Home) -> None:
    listen = f"127.0.0.1:{_free_port()}"
    server = own_home.serve("--listen", listen)
    for_browsers = f"127.0.0.1:{_free_port()}"
    console, process = _started(own_home, for_browsers)
    async with browsing(browser, console, console.token) as page, console.client() as client:
        await expect(page.locator(".standing .word")).to_have_text("Idle", timeout=AWAY_MS)
        await expect(page.locator(".standing .summary")).to_have_text("nothing running, nothing pending")
        await accessible(page)
        await photograph(page, "overview-idle")
        running = await _much_work(client)
        await expect(page.locator("#signals")).to_contain_text("ExecuteScript", timeout=LIVE_MS)
        await expect(page.locator("#signals ol li").first).to_be_visible()
        await expect(page.locator("#coalescing")).to_contain_text("1 ExecuteScript task coalescing, 2 requests joined")
        await expect(page.locator("#chart-pickup .legend")).to_contain_text(re.compile(r"average \d"), timeout=BACK_MS)
        if os.environ.get("WINDLASS_SCREENSHOTS"):
            await _lively_minute(client)
        await good_looks(page, "overview")
        server.send_signal(signal.SIGKILL)
        server.wait()
        await expect(page.locator(".standing .word")).to_have_text("Kernel unreachable", timeout=AWAY_MS)
        await expect(page.locator("#link")).to_have_text("kernel unreachable")
        await expect(page.locator("#panel")).to_contain_text("the last that was known, as of")
        await expect(page.locator(f"#active-{running}")).to_be_visible()
        await good_looks(page, "overview-unreachable")
        own_home.serve("--listen", listen)
        await expect(page.locator("#link")).to_have_text("live", timeout=BACK_MS)
        await expect(page.locator(".standing .word")).not_to_have_text("Kernel unreachable", timeout=LIVE_MS)
        after = await client.enqueue("ExecuteScript", {"script": "sleep 60"}, title="after the outage")
        await expect(page.locator(f"#active-{after.id}")).to_be_visible(timeout=LIVE_MS)
        process.kill()
        process.wait()
        await expect(page.locator("#link")).to_have_text("console unreachable", timeout=AWAY_MS)
        _started(own_home, for_browsers)
        await expect(page.locator("#link")).to_have_text("signed out", timeout=BACK_MS)


async def _much_work(client: Client) -> int:
    """Something of each sort: the id of a task that runs on."""
    copying = await client.enqueue("ExecuteScript", {"script": SAYS}, title="Copy the archive to the second site")
    later = datetime.now(UTC) + timedelta(hours=1)
    for number in range(5):
        await client.enqueue("ExecuteScript", {"script": "exit 3"}, title=f"fails {number}", retry_attempts=1)
    for number in range(3):
        await client.enqueue(
            "ExecuteScript", {"script": "sleep 600"}, title=f"Print the labels {number}", concurrency_key="printer"
        )
        await client.enqueue(
            "ExecuteScript", {"script": "date"}, coalesce_key="feed 7", due=later, title="Refresh feed 7"
        )
    for number in range(6):
        await client.enqueue("ExecuteScript", {"script": "sleep 600"}, title=f"Rebuild the index of archive {number}")
    return copying.id


async def _lively_minute(client: Client) -> None:
    """So that the charts of a picture have something to show."""
    ends = time.monotonic() + 70
    while (left := ends - time.monotonic()) > 0:
        for number in range(1 + int(left) % 7):
            script = "exit 3" if number == 6 else "sleep 0.3"
            await client.enqueue("ExecuteScript", {"script": script}, title=f"Refresh feed {number}", retry_attempts=1)
        await asyncio.sleep(1)


def _started(home: Home, listen: str) -> tuple[Console, subprocess.Popen[str]]:
    """A console on this address, and its process, so that it can be killed."""
    process = home.start("console", "--listen", listen)
    assert process.stdout is not None
    assert "ready on " in process.stdout.readline()
    token = (home.path / "token").read_text().strip()
    return Console(f"http://{listen}", home, token, home.path.parent), process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
