"""Schedules: made and changed in a form, run, paused, resumed, deleted; their ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from windlass_client import Client, NotFound, Schedule, Tick, TickOutcome
from windlass_console.pages.schedules import is_missed
from windlass_console.schedule_form import Wrong, seconds_of, span

from tests.console.browsing import (
    HOSTILE,
    Console,
    accessible,
    confirmed,
    good_looks,
    no_sideways_scrolling,
    photograph,
    post,
)

SCRIPT = {"script": "true"}


@pytest_asyncio.fixture(loop_scope="session")
async def nightly(client: Client) -> AsyncIterator[str]:
    """The name of a schedule that does not come while the test runs."""
    name = "console-nightly"
    await _remove(client, name)
    await client.schedules.create(
        Schedule(name, "ExecuteScript", SCRIPT, cron="30 4 1 1 *", time_zone="Europe/Berlin", title=HOSTILE)
    )
    yield name
    await _remove(client, name)


async def _remove(client: Client, name: str) -> None:
    with suppress(NotFound):
        await client.schedules.delete(name)


async def test_a_schedule_is_run_paused_resumed_and_deleted(
    page: Page, console: Console, client: Client, nightly: str
) -> None:
    await page.goto(f"{console.url}/schedules")
    row = page.locator(f'[id="schedule-{nightly}"]')
    await expect(row).to_contain_text("Europe/Berlin")
    await expect(row).to_contain_text(HOSTILE)
    await expect(row.get_by_role("cell").nth(4)).to_have_text("–")
    await row.get_by_role("link", name=nightly).click()
    await page.get_by_role("button", name="Run now").click()
    # a double click makes one task
    request_id = await page.get_by_role("dialog").locator("[name=request_id]").input_value()
    for _ in range(2):
        assert await post(page, f"/schedules/{nightly}/run", {"request_id": request_id}) == 200
    await confirmed(page, "Run now")
    ledger = page.get_by_role("region", name="Ledger")
    await expect(ledger).to_contain_text("By hand", timeout=1500)
    await page.go_back()
    await expect(row).to_contain_text("By hand")
    await row.get_by_role("link", name=nightly).click()
    task = (await client.schedules.get(nightly)).last_task
    await expect(ledger.get_by_role("link", name=str(task))).to_have_attribute("href", f"/tasks/{task}")
    await expect(ledger.get_by_role("row")).to_have_count(2)
    await expect(page.locator("#schedule ol li")).to_have_count(5)
    await page.get_by_role("button", name="Pause").click()
    await confirmed(page, "Pause", "holidays")
    await expect(page.locator("#schedule")).to_contain_text("every tick is skipped", timeout=1500)
    await page.get_by_role("button", name="Resume").click()
    await confirmed(page, "Resume")
    await expect(page.get_by_role("heading", name="Next runs")).to_be_visible(timeout=1500)
    await good_looks(page, "schedule")
    await page.get_by_role("button", name="Delete").click()
    await confirmed(page, "Delete")
    await page.wait_for_url(f"{console.url}/schedules")
    await expect(row).to_have_count(0)


async def test_the_form_tells_while_typing_when_it_comes_and_errors_at_their_fields(
    page: Page, console: Console, client: Client
) -> None:
    name = "console-made"
    await _remove(client, name)
    await page.goto(f"{console.url}/schedules")
    await page.get_by_role("link", name="New schedule").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Cron line", exact=True).fill("61 4 * * *")
    await expect(page.locator("#preview")).to_contain_text("inute '61' is wrong")
    await page.get_by_label("Cron line", exact=True).fill("30 4 * * *")
    await page.get_by_label("Time zone of the cron line").fill("Europe/Helsinki")
    await expect(page.locator("#preview")).to_contain_text("at 04:30 every day, Europe/Helsinki", ignore_case=True)
    await expect(page.locator("#preview li")).to_have_count(5)
    await expect(page.locator("#preview li").first).to_contain_text("04:30:00")
    await page.get_by_label("Kind").select_option("ExecuteScript")
    await page.get_by_label("Payload").fill('{"script": ')
    await page.get_by_role("button", name="Make it").click()
    await expect(page.locator("#wrong-payload")).to_contain_text("This is no JSON")
    await accessible(page)
    await no_sideways_scrolling(page)
    await page.get_by_label("Payload").fill('{"scripts": "true"}')
    await page.get_by_role("button", name="Make it").click()
    await expect(page.locator("#wrong-payload")).to_contain_text("does not fit ExecuteScript")
    await expect(page.get_by_label("Payload")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#preview li")).to_have_count(5)
    await photograph(page, "schedule-form")
    await page.get_by_label("Payload").fill('{"script": "true"}')
    await page.get_by_role("button", name="Make it").click()
    await page.wait_for_url(f"{console.url}/schedules/{name}")
    made = await client.schedules.get(name)
    await _remove(client, name)
    assert (made.cron, made.time_zone, made.payload) == ("30 4 * * *", "Europe/Helsinki", SCRIPT)


async def test_a_change_in_the_form_never_undoes_what_somebody_else_changed_meanwhile(
    page: Page, console: Console, client: Client, nightly: str
) -> None:
    await page.goto(f"{console.url}/schedules/{nightly}")
    await page.get_by_role("link", name="Edit").click()
    await expect(page.get_by_label("Cron line", exact=True)).to_have_value("30 4 1 1 *")
    await page.get_by_label("Cron line", exact=True).fill("")
    await page.get_by_label("Or an interval").fill("1h30m")
    await expect(page.locator("#preview")).to_contain_text("every 1 hour 30 minutes")
    await client.schedules.update(Schedule(nightly, "ExecuteScript", SCRIPT, interval=60.0, title="theirs"))
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("main .notice.bad")).to_be_visible()
    assert (await client.schedules.get(nightly)).title == "theirs"
    await page.goto(f"{console.url}/schedules/{nightly}/edit")
    await page.get_by_label("Or an interval").fill("1h30m")
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_url(f"{console.url}/schedules/{nightly}")
    changed = await client.schedules.get(nightly)
    assert (changed.interval, changed.cron, changed.title) == (5400.0, "", "theirs")


async def test_the_ledger_grows_while_one_looks_and_is_paged(page: Page, console: Console, client: Client) -> None:
    name, slow = "console-often", {"script": "sleep 60"}
    await _remove(client, name)
    try:
        await client.schedules.create(Schedule(name, "ExecuteScript", slow, interval=1.0, title="console often"))
        await page.goto(f"{console.url}/schedules/{name}")
        ledger = page.get_by_role("region", name="Ledger")
        await expect(ledger).to_contain_text("Ran", timeout=10000)
        await expect(ledger).to_contain_text("Skipped", timeout=10000)
        await page.goto(f"{console.url}/schedules")
        row = page.locator(f'[id="schedule-{name}"]')
        await expect(row).to_contain_text("Skipped")
        await expect(row).to_contain_text("of an earlier tick is not over")
        await good_looks(page, "schedules")
        await page.goto(f"{console.url}/schedules/{name}")
        first = (await client.schedules.get(name)).last_task
        await client.schedules.pause(name)
        await client.schedules.update(Schedule(name, "ExecuteScript", SCRIPT, interval=3600.0))
        await asyncio.gather(*(client.schedules.run(name) for _ in range(25)))
        await expect(ledger.get_by_role("row")).to_have_count(26, timeout=3000)
        await page.get_by_role("link", name="Older").click()
        await expect(ledger.get_by_role("link", name=str(first), exact=True)).to_be_visible()
        await page.reload()
        await expect(ledger.get_by_role("link", name=str(first), exact=True)).to_be_visible()
        await page.get_by_role("link", name="Newest").click()
        await expect(ledger.get_by_role("row")).to_have_count(26)
        await client.interrupt(first or 0)
    finally:
        await _remove(client, name)


async def test_a_tick_is_missed_when_nobody_was_there_and_nothing_stands_for_it() -> None:
    def tick(outcome: TickOutcome, reason: str) -> Tick:
        return Tick(1, None, None, outcome, reason, None)

    assert is_missed(tick(TickOutcome.SKIPPED, "missed: nobody was there when it was due"))
    assert not is_missed(tick(TickOutcome.SKIPPED, "task 7 has not ended"))
    assert not is_missed(tick(TickOutcome.CAUGHT_UP, "missed"))


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5h", 5400), ("1h 30m", 5400), ("1d", 86400)])
async def test_an_interval_reads_back_as_it_was_typed(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    assert seconds_of(span(seconds)) == seconds


async def test_what_is_no_interval_is_said_at_its_field() -> None:
    for text in ("soon", "-1h", "", "1h2", "h"):
        with pytest.raises(Wrong, match="An interval is a time"):
            seconds_of(text)
