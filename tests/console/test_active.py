"""The active tasks: found, sorted, watched, selected, and acted on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect
from windlass_client import Client, NewTask, Role, State, TaskFailed

from tests.console.browsing import HOSTILE, Console, accessible, browsing, good_looks, photograph

SOON = 1500
DEEP_IN = "labels.test = active"

NOTE_RETURN = """id => {
    window.cameBack = false;
    const look = () => { if (document.getElementById(id)) window.cameBack = true; };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}"""


@asynccontextmanager
async def waiting(client: Client, *titles: str, test: str = "active", priority: int = 3) -> AsyncIterator[list[int]]:
    """Tasks that wait for one that never comes to an end by itself; interrupted at the end."""
    labels = {"test": test}
    holder = await client.enqueue("ExecuteScript", {"script": "sleep 600"}, title=f"holds {test}", labels=labels)
    new = [
        NewTask("ExecuteScript", {"script": "true"}, title=title, after=[holder.id], labels=labels, priority=priority)
        for title in titles
    ]
    handles = await client.enqueue_batch(new)
    try:
        yield [holder.id, *(handle.id for handle in handles)]
    finally:
        receipt = await client.bulk_interrupt(f"labels.test = {test}", reason="the test is over", rate=1000)
        assert receipt.task is not None
        await client.result(receipt.task, 20)


def row(page: Page, id: int) -> Locator:
    return page.locator(f"#task-{id}")


async def opened(page: Page, console: Console, filter_: str = DEEP_IN) -> None:
    await page.goto(f"{console.url}/active")
    await page.locator("#link[data-state=on]").wait_for()
    await page.get_by_label("Filter", exact=True).fill(filter_)
    await page.get_by_role("button", name="Apply").click()
    await page.wait_for_url("**/active?filter=*")


async def test_the_nine_columns_are_live_and_looks_are_right(page: Page, console: Console, client: Client) -> None:
    async with waiting(client, "nightly backup of everything", HOSTILE, "third", priority=12) as those:
        holder, backup, bad, plain = those
        await opened(page, console)
        heads = [text.strip(" ▲▼") for text in await page.locator("thead th a").all_inner_texts()]
        assert heads == [
            *("Origin", "ID", "Status", "Title", "Created at", "Started at"),
            *("Retry attempts", "Priority", "Type"),
        ]
        await expect(row(page, holder)).to_contain_text("Running")
        await expect(row(page, backup)).to_contain_text("High 12")
        await expect(row(page, backup).locator("td").nth(6)).to_have_text("–")
        await expect(row(page, bad)).to_contain_text(HOSTILE)
        await row(page, backup).get_by_role("checkbox").check()
        await row(page, backup).get_by_role("checkbox").focus()

        labels = {"test": "active"}
        late = await client.enqueue("ExecuteScript", {"script": "true"}, title="late", after=[holder], labels=labels)
        await row(page, late.id).wait_for(timeout=SOON)
        await client.reprioritize(plain, 1)
        await expect(row(page, plain)).to_contain_text("Low 1", timeout=SOON)
        await client.interrupt(late.id)
        await row(page, late.id).wait_for(state="detached", timeout=SOON)
        await expect(row(page, backup).get_by_role("checkbox")).to_be_checked()
        await expect(row(page, backup).get_by_role("checkbox")).to_be_focused()
        await expect(page.locator("#selected")).to_have_text("1 selected")

        await good_looks(page, "active")


async def test_search_and_chips_are_in_the_address(page: Page, console: Console, client: Client) -> None:
    titles = [f"find n{number:02}" for number in range(30)]
    async with waiting(client, *titles, test="find") as (holder, *ids):
        await opened(page, console, "labels.test = find")
        rows = page.locator("#tasks tr")
        await expect(rows).to_have_count(31)
        await expect(page.locator("#state-pending .many")).to_have_text(re.compile(r"^([3-9]\d|\d{3,})$"))
        await expect(page.locator("#state-running .many")).to_have_text(re.compile(r"^[1-9]\d*$"))
        await page.locator("#state-running").click()
        await expect(rows).to_have_count(1)
        await expect(row(page, holder)).to_be_visible()
        await expect(page.get_by_label("Filter", exact=True)).to_have_value("labels.test = find AND state = RUNNING")
        await page.get_by_role("link", name="Remove labels.test = find").wait_for()
        await page.locator("#state-running").click()
        await expect(rows).to_have_count(31)
        await page.get_by_label("Type", exact=True).select_option("ExecuteScript")
        await page.get_by_role("link", name="Remove kind = ExecuteScript").click()
        await expect(page.get_by_label("Filter", exact=True)).to_have_value("labels.test = find")

        await page.get_by_label("Search", exact=True).press_sequentially("FIND N07")
        await expect(rows).to_have_count(1)
        await expect(row(page, ids[7])).to_be_visible()
        await page.get_by_label("Search", exact=True).fill(str(ids[9]))
        await expect(row(page, ids[9])).to_be_visible()
        await page.get_by_label("Search", exact=True).fill(f"#{ids[9]}")
        await expect(page).to_have_url(re.compile(r"q=%23"))
        await expect(rows).to_have_count(1)
        await page.reload()
        await expect(page.get_by_label("Search", exact=True)).to_have_value(f"#{ids[9]}")
        await expect(rows).to_have_count(1)
        today = await page.evaluate("new Date().toLocaleDateString('sv')")
        await page.get_by_label("Search", exact=True).fill(today)
        await expect(rows).to_have_count(31)
        await expect(page).to_have_url(re.compile(f"q={today}"))
        await page.get_by_label("Search", exact=True).fill("1999-01-01")
        await page.get_by_text("No task in the queue matches").wait_for()
        await page.get_by_label("Search", exact=True).fill("")
        await expect(rows).to_have_count(31)


async def test_order_and_place_are_in_the_address_and_the_way_back_leads_through_them(
    page: Page, console: Console, client: Client
) -> None:
    titles = [f"sort n{number:02}" for number in range(30)]
    async with waiting(client, *titles, test="sort"):
        await opened(page, console, "labels.test = sort")
        rows = page.locator("#tasks tr")
        await expect(rows).to_have_count(31)
        await page.get_by_label("Rows").select_option("25")
        await expect(rows).to_have_count(25)
        await page.get_by_role("link", name="Title").click()
        await page.get_by_role("columnheader", name="Title").and_(page.locator("[aria-sort=ascending]")).wait_for()
        await expect(rows.first).to_contain_text("holds sort")
        await page.get_by_role("link", name="Next page").click()
        await expect(rows).to_have_count(6)
        await page.reload()
        await expect(rows).to_have_count(6)
        await page.go_back()
        await expect(rows).to_have_count(25)
        await page.get_by_role("link", name="Title").click()
        await expect(rows.first).to_contain_text("sort n29")
        await page.evaluate("scrollTo(0, 0)")
        await photograph(page, "active-much")


async def test_a_wrong_filter_is_told_at_its_field_and_the_list_stays(
    page: Page, console: Console, client: Client
) -> None:
    async with waiting(client, test="wrong") as (holder,):
        await opened(page, console, "labels.test = wrong")
        field = page.get_by_label("Filter", exact=True)
        await field.fill("stat = RUNNING")
        await field.press("Enter")
        await expect(page.locator("#filter-wrong")).to_contain_text("did you mean state?")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_have_value("stat = RUNNING")
        await expect(row(page, holder)).to_be_visible()
        assert "stat+" not in page.url
        await accessible(page)
        await page.goto(f"{console.url}/active?filter=kind+%3D%3D+x")
        await expect(page.locator("#filter-wrong")).to_contain_text("here should come a value")
        await page.get_by_text("Mend the filter").wait_for()
        await photograph(page, "active-wrong")


async def test_what_is_selected_is_acted_on_after_a_dialog_that_says_how_many(
    page: Page, console: Console, client: Client
) -> None:
    async with waiting(client, "a", "b", "c", HOSTILE, test="bulk") as (holder, first, second, third, fourth):
        await opened(page, console, "labels.test = bulk")
        await expect(page.get_by_role("button", name="Interrupt…")).to_be_disabled()
        await page.get_by_label(f"Select task {first}").check()
        await page.get_by_label(f"Select task {fourth}").check()
        await page.get_by_role("button", name="Reprioritize…").click()
        dialog = page.get_by_role("dialog", name="Reprioritize 2 tasks")
        await expect(dialog).to_contain_text(HOSTILE)
        await accessible(page)
        await photograph(page, "bulk")
        await dialog.get_by_label("New priority").fill("42")
        await dialog.get_by_label("Reason").fill("they are wanted")
        await dialog.get_by_role("button", name="Reprioritize 2 tasks").click()
        await page.get_by_text("Reprioritizing 2 tasks.").wait_for()
        await expect(page.locator("#dialog")).to_be_hidden()
        await expect(row(page, first)).to_contain_text("High 42")
        await expect(row(page, fourth)).to_contain_text("High 42")
        await expect(row(page, second)).to_contain_text("Low 3")
        bulk_task = await page.locator("#notice a").get_attribute("href")
        assert bulk_task is not None
        assert re.search(r"/tasks/\d+$", bulk_task)
        await expect(page.get_by_text("None selected")).to_be_visible()

        await page.get_by_label(f"Select task {first}").check()
        await page.get_by_role("button", name=f"Interrupt task {second}").click()
        await page.get_by_label("Reason").fill("not needed")
        await page.get_by_role("button", name="Interrupt", exact=True).click()
        await page.get_by_text(f"Interrupted task {second}").wait_for()
        await row(page, second).wait_for(state="detached")
        assert (await client.get_task(second)).state is State.CANCELED
        await expect(page.get_by_label(f"Select task {first}")).to_be_checked()

        await page.get_by_label("All that match").check()
        await page.get_by_role("button", name="Interrupt…").click()
        dialog = page.get_by_role("dialog", name="Interrupt 4 tasks")
        await dialog.get_by_label("Reason").fill("   ")
        await dialog.get_by_role("button", name="Interrupt 4 tasks").click()
        await dialog.get_by_text("Say why").wait_for()
        await dialog.get_by_label("Reason").fill("all of them")
        await dialog.get_by_role("button", name="Interrupt 4 tasks").click()
        await page.get_by_text("Interrupting 4 tasks.").wait_for()
        await page.get_by_text("No task in the queue matches").wait_for()
        for id in (holder, first, third, fourth):
            assert (await client.get_task(id)).state in (State.CANCELED, State.CANCELLING)


async def test_an_answer_for_an_older_filter_does_not_overwrite_the_newer_list(
    page: Page, console: Console, client: Client
) -> None:
    async with waiting(client, "waits", test="stale") as (holder, waits):
        await opened(page, console, "labels.test = stale")
        await row(page, waits).wait_for()
        asked, may_go_on = asyncio.Event(), asyncio.Event()

        async def hold(route: Route) -> None:
            answer = await route.fetch()
            asked.set()
            await may_go_on.wait()
            await route.fulfill(response=answer)

        await page.route("**/active/rows?filter=labels.test+%3D+stale", hold)
        await client.reprioritize(waits, 77)
        await asked.wait()
        await page.locator("#state-running").click()
        await row(page, waits).wait_for(state="detached")
        await page.evaluate(NOTE_RETURN, f"task-{waits}")
        async with page.expect_event("requestfinished", lambda request: request.url.endswith("=labels.test+%3D+stale")):
            may_go_on.set()
        async with page.expect_response("**/active/rows?filter=*RUNNING"):
            await client.reprioritize(holder, 78)
        await expect(row(page, holder)).to_contain_text("High 78")
        assert not await page.evaluate("window.cameBack")


async def test_what_has_failed_is_retried_by_a_filter_once_for_a_form_sent_twice(
    page: Page, console: Console, client: Client
) -> None:
    failed = await client.enqueue("ExecuteScript", {"script": "exit 3"}, labels={"test": "again"}, retry_attempts=1)
    with pytest.raises(TaskFailed):
        await failed.result(20)
    filter_ = f"id = {failed.id} AND state = FAILED"
    await page.goto(f"{console.url}/active")
    headers = {
        "x-csrf-token": await page.locator("form.who input[name=csrf]").input_value(),
        "origin": console.url,
        "hx-request": "true",
    }
    dialog = await page.request.get(f"{console.url}/bulk/retry", params={"filter": filter_}, headers=headers)
    assert "Retry 1 task" in await dialog.text()
    form: dict[str, str | float | bool] = {"filter": filter_, "reason": "once more", "request_id": str(uuid4())}
    answers = [await page.request.post(f"{console.url}/bulk/retry", form=form, headers=headers) for _ in range(2)]
    first, second = [re.findall(r"/tasks/(\d+)", await answer.text()) for answer in answers]
    assert first == second
    assert (await client.result(int(first[0]), 20))["done"] == 1
    nothing = await page.request.get(f"{console.url}/bulk/retry", params={"matching": filter_}, headers=headers)
    assert nothing.status == 422
    assert "no task is selected" in await nothing.text()


async def test_a_viewer_sees_the_tasks_and_nothing_to_press(browser: Browser, console: Console, client: Client) -> None:
    token = await console.token_for(Role.VIEWER)
    async with (
        waiting(client, "seen", test="viewed") as (holder, seen),
        browsing(browser, console, token) as page,
    ):
        await opened(page, console, "labels.test = viewed")
        await row(page, seen).wait_for()
        assert await page.locator("#selection input, #selection button").count() == 0
        for path in (f"/bulk/interrupt?id={seen}", f"/tasks/{seen}/interrupt"):
            answer = await page.request.get(console.url + path, headers={"hx-request": "true"})
            assert answer.status == 403
        csrf = await page.locator("form.who input[name=csrf]").input_value()
        posts: tuple[tuple[str, dict[str, str | float | bool]], ...] = (
            ("/bulk/interrupt", {"filter": f"id = {holder}", "reason": "x"}),
            (f"/tasks/{holder}/interrupt", {"reason": "x"}),
        )
        for path, form in posts:
            answer = await page.request.post(
                console.url + path, form=form, headers={"x-csrf-token": csrf, "origin": console.url}
            )
            assert answer.status == 403
        assert (await client.get_task(holder)).state is State.RUNNING
