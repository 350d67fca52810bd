"""Tokens are made, used and revoked in the browser, and the audit shows it."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect
from windlass_client import Role
from windlass_console.sessions import Sessions

from tests.console.browsing import HOSTILE, Console, accessible, browsing, confirmed, good_looks


async def test_a_token_is_made_shown_once_used_and_revoked_with_a_reason(
    page: Page, console: Console, browser: Browser
) -> None:
    await page.goto(f"{console.url}/tokens")
    await page.get_by_label("Stands for").fill("turbine-service")
    await page.get_by_label("Role").select_option("VIEWER")
    await page.get_by_label("Good for days").fill("30")
    await page.get_by_role("button", name="Make the token").click()
    secret = await page.get_by_label("The new token").text_content()
    assert secret
    await good_looks(page, "tokens")
    async with browsing(browser, console, secret) as other:
        await expect(other.get_by_text("turbine-service")).to_be_visible()
        assert await other.get_by_role("link", name="Tokens").count() == 0
        answer = await other.goto(f"{console.url}/tokens")
        assert answer is not None
        assert answer.status == 403
        await page.goto(f"{console.url}/tokens")
        assert secret not in await page.content()
        row = page.get_by_role("row").filter(has_text="turbine-service")
        await row.get_by_role("button", name="Revoke").click()
        await accessible(page)
        await confirmed(page, "Revoke", HOSTILE)
        await expect(page.locator("#notice")).to_contain_text("is revoked")
        await expect(row).to_have_count(0)
    await page.goto(f"{console.url}/audit?filter=method%3A%22Revoke%22")
    await expect(page.get_by_role("row").filter(has_text=HOSTILE).first).to_be_visible()
    await good_looks(page, "audit")


async def test_what_is_wrong_with_a_token_or_a_filter_is_said_at_its_place(page: Page, console: Console) -> None:
    await page.goto(f"{console.url}/tokens")
    await page.get_by_label("Stands for").fill("kept as typed")
    await page.get_by_label("Good for days").fill("soon")
    await page.get_by_role("button", name="Make the token").click()
    await expect(page.get_by_role("alert")).to_contain_text("days is a number")
    await expect(page.get_by_label("Stands for")).to_have_value("kept as typed")
    await page.goto(f"{console.url}/audit?filter=nonsense+%3D+1")
    await expect(page.get_by_role("alert")).to_contain_text("nonsense")
    await expect(page.get_by_label("Filter")).to_have_value("nonsense = 1")


async def test_a_revoked_token_ends_the_session_of_its_browser(page: Page, console: Console, browser: Browser) -> None:
    token = await console.token_for(Role.ADMIN, "leaves-soon")
    async with browsing(browser, console, token) as other, console.client() as client:
        sessions = Sessions(client.with_token, seconds=60.0, check=0.0)
        word = await sessions.sign_in(token)
        assert await sessions.find(word) is not None
        [name] = [each.name async for each in client.access.tokens() if each.subject == "leaves-soon"]
        await client.access.revoke(str(name), "test")
        assert await sessions.find(word) is None
        await other.goto(f"{console.url}/audit")
        await expect(other.get_by_label("Token")).to_be_visible()
    del page
