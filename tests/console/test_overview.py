"""The overview in a browser: what runs and what waits, live, in words and in charts."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect
from windlass_client import Client, Role

from tests.console.browsing import Console, accessible, browsing, no_sideways_scrolling, photograph

HOSTILE = "<img src=x onerror=alert(1)>"
LIVE_MS = 3000


async def test_what_runs_is_there_by_itself_with_its_title_as_text_and_goes_again(page: Page, client: Client) -> None:
    await page.get_by_role("heading", name="Overview").wait_for()
    title = f"overview {HOSTILE}"
    handle = await client.enqueue("ExecuteScript", {"script": "sleep 60"}, title=title)
    row = page.locator(f"#active-{handle.id}")
    await expect(row.get_by_role("link", name=title)).to_have_attribute("href", f"/tasks/{handle.id}", timeout=LIVE_MS)
    await expect(row).to_contain_text("Running")
    await expect(page.locator("#panel")).to_have_attribute("data-state", "active")
    await expect(page.locator(".standing .word")).to_have_text("Active")
    await expect(page.locator("#pools").get_by_role("img").first).to_be_visible()
    await page.locator("#chart-backlog canvas").wait_for()
    await expect(page.locator("#chart-backlog .legend")).to_contain_text("waiting")
    await accessible(page)
    await page.emulate_media(color_scheme="dark")
    await accessible(page)
    await no_sideways_scrolling(page)
    await photograph(page, "overview")
    await client.interrupt(handle.id)
    await expect(row).to_have_count(0, timeout=10_000)
