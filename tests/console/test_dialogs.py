"""Dialogs: where the keyboard is while they are open and after them, and what a refusal does to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest_asyncio
from playwright.async_api import Page, expect
from windlass_client import Client, NotFound, Role, Schedule

from tests.console.browsing import Console, accessible, confirmed, photograph

NAME = "console-keyboard"
SCRIPT = {"script": "true"}


@pytest_asyncio.fixture(loop_scope="session")
async def schedule(client: Client) -> AsyncIterator[str]:
    """The name of one that does not come while the test runs."""
    with suppress(NotFound):
        await client.schedules.delete(NAME)
    await client.schedules.create(Schedule(NAME, "ExecuteScript", SCRIPT, cron="30 4 1 1 *"))
    yield NAME
    with suppress(NotFound):
        await client.schedules.delete(NAME)


async def _press(page: Page, button: str) -> None:
    """By keyboard."""
    await page.get_by_role("button", name=button, exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()


async def test_a_dialog_that_is_left_gives_the_keyboard_back_to_what_opened_it(
    page: Page, console: Console, schedule: str
) -> None:
    await page.goto(f"{console.url}/schedules")
    for leave in ("Escape", "Leave it"):
        await _press(page, f"Pause {schedule}")
        await expect(page.get_by_label("Reason")).to_be_focused()
        if leave == "Escape":
            await page.keyboard.press("Escape")
        else:
            await page.get_by_role("button", name=leave).focus()
            await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.get_by_role("button", name=f"Pause {schedule}")).to_be_focused()


async def test_after_a_change_the_keyboard_is_where_the_change_can_be_taken_back(
    page: Page, console: Console, schedule: str
) -> None:
    for path in ("/schedules", f"/schedules/{schedule}"):
        await page.goto(f"{console.url}{path}")
        await _press(page, f"Pause {schedule}")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.get_by_role("button", name=f"Resume {schedule}")).to_be_focused()
        await _press(page, f"Resume {schedule}")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name=f"Pause {schedule}")).to_be_focused()


async def test_when_the_line_of_a_list_goes_with_what_was_done_the_keyboard_stays_in_the_list(
    page: Page, console: Console, client: Client
) -> None:
    await console.token_for(Role.VIEWER, "stays-here")
    made = await client.access.create_token("goes-away", Role.VIEWER)
    await page.goto(f"{console.url}/tokens")
    await _press(page, f"Revoke token {made.token.name}")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.get_by_role("row", name="goes-away")).to_have_count(0)
    await expect(page.get_by_role("region", name="Tokens")).to_be_focused()


async def test_a_refusal_is_told_in_the_dialog_which_keeps_what_was_typed_and_the_keyboard(
    page: Page, console: Console, client: Client
) -> None:
    await client.operations.call("scripts.save", {"name": "refused", "text": "true"})
    try:
        await page.goto(f"{console.url}/scripts/refused")
        await _press(page, "Delete … refused")
        await client.operations.call("scripts.save", {"name": "refused", "text": "false"})
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Reason").fill("old")
        await page.keyboard.press("Enter")
        await expect(dialog.get_by_role("alert")).to_contain_text("saved by somebody else meanwhile")
        await expect(dialog.get_by_label("Reason")).to_have_value("old")
        await expect(dialog.get_by_label("Reason")).to_be_focused()
        await accessible(page)
        await photograph(page, "dialog")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Delete … refused")).to_be_focused()
    finally:
        await client.operations.call("scripts.delete", {"name": "refused"})


async def test_what_can_not_be_told_in_the_dialog_closes_it_and_stands_on_the_page(
    page: Page, console: Console, client: Client, schedule: str
) -> None:
    await page.goto(f"{console.url}/schedules/{schedule}")
    await _press(page, f"Pause {schedule}")
    await page.locator("#dialog form").evaluate("form => form.setAttribute('hx-post', '/no/such/page')")
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.locator("#notice .bad")).to_be_visible()
    await _press(page, f"Pause {schedule}")
    await confirmed(page, "Pause", "after all")
    assert (await client.schedules.get(schedule)).paused
