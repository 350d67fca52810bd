"""Pools and kinds: what they hold, pause and resume with a reason, slots."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect
from windlass_client import Client, Role

from tests.console.browsing import HOSTILE, Console, accessible, browsing, confirmed, good_looks, post


async def test_a_pool_is_paused_for_a_reason_and_resized_and_everybody_sees_it(
    page: Page, console: Console, client: Client
) -> None:
    before = await client.cluster.pool("default")
    await page.goto(f"{console.url}/pools")
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="Resize pool default"))
    try:
        await page.get_by_role("button", name="Pause pool default").click()
        await accessible(page)
        await confirmed(page, "Pause", HOSTILE)
        await expect(page.locator("#notice")).to_contain_text("Pool default is paused")
        await expect(row).to_contain_text(HOSTILE, timeout=1500)
        await expect(row).to_contain_text("Paused")
        await good_looks(page, "pools")
        paused = await client.cluster.pool("default")
        assert paused.pause is not None
        assert paused.pause.reason == HOSTILE
        # what somebody else does is seen as well
        await client.cluster.resume_pool("default")
        await expect(row).to_contain_text("Active", timeout=2500)
        await page.get_by_role("button", name="Resize pool default").click()
        await page.get_by_label("Slots").fill("7")
        await confirmed(page, "Set slots", "a test")
        await expect(row).to_contain_text("/ 7", timeout=1500)
        assert (await client.cluster.pool("default")).slots == 7
    finally:
        await client.cluster.resume_pool("default")
        await client.cluster.resize("default", before.slots)


async def test_slots_that_can_not_be_are_refused_in_the_dialog_which_keeps_what_was_typed(
    page: Page, console: Console, client: Client
) -> None:
    before = await client.cluster.pool("default")
    await page.goto(f"{console.url}/pools")
    await page.get_by_role("button", name="Resize pool default").click()
    await page.get_by_label("Reason").fill("too many")
    await page.get_by_role("dialog").locator("form").evaluate("form => form.noValidate = true")
    await page.get_by_label("Slots").fill("100001")
    await page.get_by_role("button", name="Set slots").click()
    await expect(page.get_by_role("dialog")).to_contain_text("from 0 to 100,000")
    await expect(page.get_by_label("Slots")).to_have_value("100001")
    await expect(page.get_by_label("Reason")).to_have_value("too many")
    await page.get_by_role("button", name="Leave it").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert (await client.cluster.pool("default")).slots == before.slots


async def test_a_kind_says_what_it_takes_and_is_paused_and_resumed(
    page: Page, console: Console, client: Client
) -> None:
    await page.goto(f"{console.url}/pools")
    await page.get_by_role("link", name="ExecuteScript", exact=True).first.click()
    await expect(page.get_by_role("heading", name="ExecuteScript")).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="Exactly one of script").first).to_contain_text(
        "string or null"
    )
    await page.get_by_text("JSON Schema").click()
    await expect(page.locator("details pre")).to_contain_text('"properties"')
    await expect(page.get_by_role("main").get_by_role("link", name="Launch")).to_have_attribute(
        "href", "/launch?kind=ExecuteScript"
    )
    try:
        await page.get_by_role("button", name="Pause kind ExecuteScript").click()
        await confirmed(page, "Pause", "they block us")
        await expect(page.locator("#kind")).to_contain_text("they block us", timeout=1500)
        await expect(page.locator("details.schema")).to_have_attribute("open", "")
        await good_looks(page, "kind")
        await page.get_by_role("button", name="Resume kind ExecuteScript").click()
        await confirmed(page, "Resume")
        await expect(page.locator("#kind")).not_to_contain_text("they block us", timeout=1500)
        assert (await client.cluster.kind("ExecuteScript")).pause is None
    finally:
        await client.cluster.resume_kind("ExecuteScript")


async def test_a_viewer_is_offered_no_change_and_refused_one(browser: Browser, console: Console) -> None:
    async with browsing(browser, console, await console.token_for(Role.VIEWER)) as page:
        for path in ("/pools", "/kinds/ExecuteScript", "/nodes", "/lanes", "/schedules"):
            await page.goto(f"{console.url}{path}")
            await expect(page.locator("main h1").first).to_be_visible()
            await expect(page.locator("main button")).to_have_count(0)
            await expect(page.locator("main a.button")).to_have_count(0)
        assert await post(page, "/pools/default/pause") == 403


async def test_a_token_for_some_pools_sees_those_and_all_kinds_which_it_can_not_pause(
    browser: Browser, console: Console, client: Client
) -> None:
    token = (await client.access.create_token("feeder", Role.OPERATOR, pools=["feeds"])).secret
    async with browsing(browser, console, token) as page:
        await page.goto(f"{console.url}/pools")
        await expect(page.get_by_role("region", name="Pools").locator("tbody tr")).to_have_count(1)
        await page.get_by_role("button", name="Pause pool feeds").wait_for()
        await expect(page.get_by_role("region", name="Kinds")).to_contain_text("ExecuteScript")
        await expect(page.get_by_role("button", name="Pause kind")).to_have_count(0)
        await page.get_by_role("link", name="ExecuteScript", exact=True).click()
        await page.get_by_role("heading", name="ExecuteScript").wait_for()
        await expect(page.get_by_role("button", name="Pause kind")).to_have_count(0)
