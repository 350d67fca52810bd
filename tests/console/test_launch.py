"""Launch: from a kind to its form to a task."""

from __future__ import annotations

import re

from playwright.async_api import Browser, Page, expect
from windlass_client import Client, Role

from tests.console.browsing import HOSTILE, Console, accessible, browsing, good_looks, photograph

CARD = re.compile(r"/tasks/(\d+)$")


async def started(page: Page) -> int:
    """The task whose card the page went to."""
    await page.wait_for_url(CARD)
    found = CARD.search(page.url)
    assert found is not None
    return int(found[1])


async def test_a_kind_is_found_and_a_task_of_it_started_with_options(
    page: Page, console: Console, client: Client
) -> None:
    await page.goto(f"{console.url}/launch")
    await page.get_by_role("heading", name="ExecuteScript").wait_for()
    await good_looks(page, "launch-kinds")
    await page.get_by_label("Search").fill("executescr")
    await expect(page.locator("#kinds li")).to_have_count(1)
    await expect(page).to_have_url(re.compile(r"\?q=executescr$"))
    await page.reload()
    await expect(page.locator("#kinds li")).to_have_count(1)
    await page.get_by_role("link", name="ExecuteScript").click()
    await page.get_by_label("Script", exact=True).fill(f"echo '{HOSTILE}'")
    await page.get_by_label("Env", exact=True).fill("A=1\nB=x=y")
    await page.get_by_text("More: title, priority").click()
    await page.get_by_label("Title", exact=True).fill(HOSTILE)
    await page.get_by_label("Priority", exact=True).fill("12")
    await page.get_by_label("Labels", exact=True).fill("tenant=acme")
    await page.get_by_label("Not before", exact=True).fill("2030-01-31T09:00")
    await good_looks(page, "launch")
    await page.get_by_role("button", name="Start the task").dblclick()
    task = await client.get_task(await started(page))
    assert task.payload == {"script": f"echo '{HOSTILE}'", "env": {"A": "1", "B": "x=y"}}
    assert (task.title, task.priority, task.labels) == (HOSTILE, 12, {"tenant": "acme"})
    assert task.next_try is not None
    assert task.next_try.isoformat()[:16] == "2030-01-31T07:00"  # the page is in Helsinki
    again = await client.task_page(filter='title = "<img src=x onerror=alert(1)>"')
    assert [each.id for each in again.items] == [task.id]
    await page.goto(f"{console.url}/launch?from={task.id}")
    await expect(page.get_by_label("Title", exact=True)).to_have_value(HOSTILE)
    await client.interrupt(task.id)


async def test_one_form_makes_one_task_and_after_going_back_another(
    page: Page, console: Console, client: Client
) -> None:
    await page.goto(f"{console.url}/launch?kind=ExecuteScript&payload.script=exit+0")
    # As a click that is sent twice, past all that keeps the button from it.
    places = await page.evaluate(
        """async () => {
            const send = () => fetch(location.origin + "/launch",
                { method: "POST", body: new URLSearchParams(new FormData(document.getElementById("launch"))) });
            return (await Promise.all([send(), send()])).map((answer) => answer.url);
        }"""
    )
    assert CARD.search(places[0])
    assert places[0] == places[1]
    await page.goto(f"{console.url}/launch?kind=ExecuteScript&payload.script=exit+0")
    await page.get_by_role("button", name="Start the task").click()
    first = await started(page)
    await page.go_back()
    await page.get_by_role("button", name="Start the task").click()
    await page.wait_for_url(lambda url: CARD.search(url) is not None and not url.endswith(f"/{first}"))


async def test_what_is_wrong_is_told_at_its_field_and_what_was_typed_stays(page: Page, console: Console) -> None:
    await page.goto(f"{console.url}/launch?kind=ExecuteScript")
    await page.get_by_label("Timeout", exact=True).fill("soon")
    await page.get_by_label("Env", exact=True).fill("A")
    await page.get_by_role("button", name="Start the task").click()
    timeout = page.get_by_label("Timeout", exact=True)
    await expect(timeout).to_have_attribute("aria-invalid", "true")
    await expect(timeout).to_have_accessible_description(re.compile("Takes a number"))
    await expect(page.get_by_label("Env", exact=True)).to_be_focused()
    await expect(page.get_by_label("Env", exact=True)).to_have_accessible_description(re.compile("Line 1: write it as"))
    await expect(timeout).to_have_value("soon")
    await accessible(page)
    await photograph(page, "launch-errors")
    await timeout.fill("5")
    await page.get_by_label("Env", exact=True).fill("")
    await page.get_by_role("button", name="Start the task").click()
    # The server's own rule, at the first of the fields that it names.
    script = page.get_by_label("Script", exact=True)
    await expect(script).to_have_accessible_description(re.compile("give exactly one of them"))
    await expect(timeout).to_have_value("5")
    await page.get_by_role("button", name="Edit as JSON").click()
    document = page.get_by_label("JSON", exact=True)
    await expect(document).to_have_value('{\n  "timeout": 5\n}')
    await document.fill('{"timeout": 5, "script":')
    await page.get_by_role("button", name="Edit in a form").click()
    await expect(document).to_have_accessible_description(re.compile("Is no JSON"))
    await document.fill('{"timeout": 5, "script": "exit 0"}')
    await page.get_by_role("button", name="Edit in a form").click()
    await expect(script).to_have_value("exit 0")
    await page.get_by_role("button", name="Start the task").click()
    await started(page)
    # What is missing keeps nobody from the other view; it is told when the task is to start.
    await page.goto(f"{console.url}/launch?kind=RestartUnit")
    await page.get_by_role("button", name="Edit as JSON").click()
    await expect(document).to_have_value("{}")
    await page.get_by_role("button", name="Edit in a form").click()
    await expect(page.get_by_label("Unit", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Start the task").click()
    await expect(page.get_by_label("Unit", exact=True)).to_have_accessible_description(re.compile("Is required"))


async def test_a_task_is_asked_again_with_changes_and_its_secrets_stay_hidden(
    page: Page, console: Console, client: Client
) -> None:
    payload = {"script": "exit 0", "env": {"API_TOKEN": "hunter2", "MODE": "fast"}, "args": ["one", "two"]}
    first = await client.enqueue("ExecuteScript", payload, title="With a secret", priority=7)
    await client.result(first.id, timeout=20)
    await page.goto(f"{console.url}/launch?from={first.id}")
    await expect(page.get_by_label("Env", exact=True)).to_have_value("MODE=fast")
    await expect(page.get_by_label("Args", exact=True)).to_have_value("one\ntwo")
    assert "hunter2" not in await page.content()
    await accessible(page)
    await photograph(page, "launch-again")
    await page.get_by_label("Args", exact=True).fill("three")
    await page.get_by_role("button", name="Start the task").click()
    again = await client.get_task(await started(page))
    assert again.id != first.id
    assert again.payload == payload | {"args": ["three"]}
    assert (again.title, again.priority) == ("With a secret", 7)
    await page.goto(f"{console.url}/launch?from={first.id}")
    await page.get_by_label("env.API_TOKEN").uncheck()
    await page.get_by_role("button", name="Start the task").click()
    third = await client.get_task(await started(page))
    assert third.payload["env"] == {"MODE": "fast"}


async def test_who_only_looks_is_not_offered_to_launch_and_a_submitter_is(browser: Browser, console: Console) -> None:
    async with browsing(browser, console, await console.token_for(Role.VIEWER)) as page:
        await expect(page.get_by_role("link", name="Launch")).to_have_count(0)
        await page.goto(f"{console.url}/launch?kind=ExecuteScript")
        await page.get_by_text("needs the role").wait_for()
        await expect(page.get_by_role("button", name="Start the task")).to_have_count(0)
    async with browsing(browser, console, await console.token_for(Role.SUBMITTER)) as page:
        await page.goto(f"{console.url}/launch?kind=ExecuteScript&payload.script=exit+0")
        await expect(page.get_by_label("Script", exact=True)).to_have_value("exit 0")
        await page.get_by_role("button", name="Start the task").click()
        await started(page)


async def test_a_token_for_some_pools_launches_into_these(browser: Browser, console: Console, client: Client) -> None:
    narrow = await client.access.create_token("feeder", Role.SUBMITTER, pools=["feeds", "maintenance"])
    async with browsing(browser, console, narrow.secret) as page:
        assert await page.locator("nav.pages li > a").all_inner_texts() == [
            *("Overview", "Active", "History", "Launch", "Pools and kinds"),
        ]
        await page.goto(f"{console.url}/launch?kind=ExecuteScript&payload.script=exit+0")
        choice = page.get_by_label("Pool")
        assert await choice.locator("option").all_inner_texts() == ["choose", "feeds", "maintenance"]
        await accessible(page)
        await choice.select_option("maintenance")
        await page.get_by_role("button", name="Start the task").click()
        task = await client.get_task(await started(page))
        assert (task.pool, task.initiator) == ("maintenance", "feeder")
        for path in ("/active", "/history"):
            await page.goto(f"{console.url}{path}")
            await expect(page.get_by_label("Type", exact=True)).to_contain_text("ExecuteScript")
