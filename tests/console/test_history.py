"""History in a browser: what became of tasks, by the viewer's days, found, paged, and live."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

from playwright.async_api import Browser, Page, expect
from windlass_client import Client, NewTask, Role, TaskFailed
from windlass_console.history_query import Asked
from windlass_console.rendering import called

from tests.console.browsing import (
    HOSTILE,
    Console,
    accessible,
    accessible_in_both_themes,
    browsing,
    no_sideways_scrolling,
    photograph,
)

AT_ONCE_MS = 1500
LATER = datetime.now(UTC) + timedelta(days=1)


async def _script(client: Client, title: str, script: str = "true") -> int:
    handle = await client.enqueue("ExecuteScript", {"script": script}, title=title, retry_attempts=1)
    with suppress(TaskFailed):
        await handle.result(timeout=20)
    return handle.id


async def _stopped(client: Client, titles: list[str]) -> list[int]:
    """Cards that cost nothing: asked for, and interrupted before they were due."""
    tasks = [NewTask("ExecuteScript", {"script": "true"}, title=title, due=LATER) for title in titles]
    handles = await client.enqueue_batch(tasks)
    await asyncio.gather(*(client.interrupt(handle.id, "not needed") for handle in handles))
    return [handle.id for handle in handles]


async def test_what_became_of_tasks_is_shown_and_new_cards_come_by_themselves(
    page: Page, console: Console, client: Client
) -> None:
    mark = f"m{uuid4().hex[:8]}"
    failed = await _script(client, f"{HOSTILE} {mark}", "echo 'no such feed' >&2; exit 3")
    await page.goto(f"{console.url}/history")
    row = page.locator(f"#card-{failed}")
    await expect(row.locator(".pill")).to_have_text("Failed")
    await expect(row.get_by_role("link", name=f"{HOSTILE} {mark}")).to_have_attribute("href", f"/tasks/{failed}")
    card = await client.get_card(failed)
    assert called(replace(card.task, title="")) == "Execute script"
    await row.get_by_role("checkbox").check()
    await page.get_by_label("Search").focus()
    await page.keyboard.type("half a wo")
    new = await _script(client, f"Later {mark}")
    await expect(page.locator(f"#card-{new} .pill")).to_have_text("Completed", timeout=AT_ONCE_MS)
    await expect(page.get_by_label("Search")).to_be_focused()
    await expect(page.get_by_label("Search")).to_have_value("half a wo")
    await expect(row.get_by_role("checkbox")).to_be_checked()
    async with page.expect_request("**/bulk/retry?*") as asked:
        await page.get_by_role("button", name="Retry 1 selected…").click()
    assert _query((await asked.value).url)["filter"] == [f"id = ({failed})"]


async def test_it_is_found_by_id_words_day_state_and_filter_and_the_address_keeps_it(
    page: Page, console: Console, client: Client
) -> None:
    mark = f"m{uuid4().hex[:8]}"
    failed = await _script(client, f"Broken {mark}", "exit 3")
    fine = await _script(client, f"Fine {mark}")
    rows = page.locator("#cards tbody tr[id]")
    await page.goto(f"{console.url}/history")
    for search, many in ((f"tasks/{fine}", 1), (f"fine {mark}", 1), (mark, 2), (f"{mark} 2001-01-01", 0)):
        await page.get_by_label("Search").fill(search)
        await page.get_by_role("button", name="Show").click()
        await page.wait_for_url(re.compile(re.escape(urlencode({"search": search})) + "$"))
        await expect(rows).to_have_count(many)
    await page.get_by_text("Nothing in the history matches").wait_for()
    await page.get_by_label("Search").fill(mark)
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(2)
    await page.get_by_role("link", name="Failed", exact=True).click()
    await expect(rows).to_have_count(1)
    await page.get_by_label("Filter").fill(f"id = {failed} AND stat = FAILED")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("did you mean state?")
    await expect(page.get_by_label("Filter")).to_be_focused()
    await expect(rows).to_have_count(1)
    await accessible(page)
    await page.get_by_label("Filter").fill(f"title = 'Fine*' OR id = {failed}")
    await page.get_by_label("Type", exact=True).select_option("ExecuteScript")
    await page.wait_for_url("**kind=ExecuteScript**")
    await page.reload()
    await expect(rows).to_have_count(1)
    async with page.expect_request("**/bulk/retry?*") as asked:
        await page.get_by_role("button", name="Retry all matching…").click()
    [bulk] = _query((await asked.value).url)["filter"]
    assert (await client.bulk_retry(bulk, reason="a look", dry_run=True)).matching == 1
    await page.goto(f"{console.url}/history?filter=stat%20%3D%20FAILED")
    await expect(page.get_by_role("alert")).to_contain_text("did you mean state?")
    await page.get_by_text("Nothing is shown").wait_for()
    await page.go_back()
    await page.go_back()
    await expect(page.get_by_label("Filter")).to_have_value("")


async def test_who_is_exact_and_pages_stand_still_behind_the_first(
    page: Page, console: Console, client: Client
) -> None:
    mark = f"m{uuid4().hex[:8]}"
    ids = await _stopped(client, [f"Part {number} {mark}" for number in range(60)])
    rows = page.locator("#cards tbody tr[id]")
    await page.goto(f"{console.url}/history?search={mark}")
    await page.get_by_role("link", name="System", exact=True).click()
    await expect(rows).to_have_count(0)
    await page.get_by_role("link", name="User", exact=True).click()
    await expect(rows).to_have_count(50)
    await page.get_by_role("link", name="Older").click()
    await expect(rows).to_have_count(10)
    await expect(rows.last).to_have_id(f"card-{ids[0]}")
    assert await page.locator("#cards[hx-get]").count() == 0
    await page.get_by_role("link", name="Newest").click()
    await expect(rows.first).to_have_id(f"card-{ids[-1]}")
    await page.get_by_label("Order").select_option("Oldest first")
    await expect(rows.first).to_have_id(f"card-{ids[0]}")
    await page.goto(f"{console.url}/history?search={mark}&page=nonsense")
    await expect(rows).to_have_count(50)


async def test_days_are_the_viewers_and_who_only_views_changes_nothing(
    browser: Browser, console: Console, client: Client
) -> None:
    mark = f"m{uuid4().hex[:8]}"
    task = await _script(client, f"Day {mark} {HOSTILE}")
    created = (await client.get_card(task)).task.created
    assert created is not None
    # A zone in which it is another day than in UTC, whenever this runs.
    zone, hours = ("Pacific/Kiritimati", 14) if created.hour >= 12 else ("Etc/GMT+12", -12)
    there = created + timedelta(hours=hours)
    async with browsing(browser, console, await console.token_for(Role.VIEWER), timezone_id=zone) as page:
        await page.goto(f"{console.url}/history?search={mark}")
        day = page.locator("tbody", has=page.locator(f"#card-{task}"))
        await expect(day.locator(".day")).to_have_text(f"{there:%A}, {there.day} {there:%B %Y}")
        assert await page.locator("main input[type=checkbox]").count() == 0
        assert await page.get_by_role("button", name="Retry").count() == 0
        await accessible_in_both_themes(page)
        await no_sideways_scrolling(page)
        await page.goto(f"{console.url}/history")
        if os.environ.get("WINDLASS_SCREENSHOTS"):
            await _a_days_work(client)
            await expect(page.get_by_text("Copy the archive")).to_be_visible()
        await photograph(page, "history")
        await page.goto(f"{console.url}/history?search=nothing-is-called-so")
        await photograph(page, "history-none")


async def test_what_is_asked_becomes_one_filter_whatever_it_is_made_of(client: Client) -> None:
    helsinki = ZoneInfo("Europe/Helsinki")
    asked = Asked(origin="user", by='a "b" *\\', search='"two words" 2026-03-29 #7', filter="kind = Echo OR id = 1")
    assert asked.bulk(helsinki) == (
        'kind = Echo OR id = 1 AND initiator = "a \\"b\\" \\*\\\\" AND "two words"'
        # That day had 23 hours there.
        " AND create_time >= 2026-03-28T22:00:00Z AND create_time < 2026-03-29T21:00:00Z AND id = 7 AND origin = USER"
    )
    hostile = Asked(search=f'{uuid4().hex}x" OR id>0 \\" (NOT', kind="*", by="'\"")
    assert (await client.card_page(filter=hostile.conditions(UTC))).items == ()


async def _a_days_work(client: Client) -> None:
    """For a picture: something of each sort."""
    words = ("Refresh feed 7", "Print the labels", "Rebuild the index", "Back up the orders", "Check the certificates")
    for number, title in enumerate((*words, *words, "Copy the archive")):
        script = "sleep 0.4" if number % 4 else "echo 'no such host' >&2; exit 6"
        await _script(client, title, script)


def _query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)
