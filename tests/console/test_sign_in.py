"""Signing in and out, and what who has not sees."""

from __future__ import annotations

from playwright.async_api import Browser, Page

from tests.console.browsing import Console, accessible, browsing, no_sideways_scrolling, photograph


async def test_who_has_not_signed_in_is_asked_to_and_lands_where_he_wanted(browser: Browser, console: Console) -> None:
    async with browsing(browser, console, "") as page:
        await page.goto(f"{console.url}/history?x=1")
        await accessible(page)
        await no_sideways_scrolling(page)
        await photograph(page, "sign-in")
        await page.get_by_label("Token").fill("no such token")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("The server does not know this token").wait_for()
        await page.get_by_label("Token").fill(console.token)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{console.url}/history?x=1")


async def test_the_page_says_that_it_is_live_and_who_is_signed_in(page: Page) -> None:
    await page.locator("#link[data-state=on]").wait_for()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Token").wait_for()


async def test_who_is_signed_in_and_comes_from_another_site_arrives(
    browser: Browser, page: Page, console: Console
) -> None:
    """The cookie is not sent along with such a visit; a colleague who follows a link in a chat is in all the same."""
    elsewhere = console.url.replace("127.0.0.1", "localhost")
    await page.goto(f"{elsewhere}/sign-in")
    await page.evaluate("url => { location.href = url }", f"{console.url}/history?by=ada&state=FAILED")
    await page.wait_for_url(f"{console.url}/history?by=ada&state=FAILED")
    await page.locator("#link").wait_for()
    async with browsing(browser, console, "") as stranger:
        await stranger.goto(f"{elsewhere}/sign-in")
        await stranger.evaluate("url => { location.href = url }", f"{console.url}/history?by=ada")
        await stranger.wait_for_url("**/sign-in?to=*again=1")
        await stranger.get_by_label("Token").fill(console.token)
        await stranger.get_by_role("button", name="Sign in").click()
        await stranger.wait_for_url(f"{console.url}/history?by=ada")
