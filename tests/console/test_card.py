"""The card of a task: what it shows, how it follows a task, and what can be done from it."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, TimeoutError, expect
from windlass_client import Client, Role, TaskFailed, traced

from tests.console.browsing import Console, accessible, browsing, good_looks, photograph, start_console

SOON_MS = 1500
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAY = 'say() { echo "$1" >&"$WINDLASS_STATUS_FD"; }\n'
WAITING = """
say '{"stage": "looking"}'
say '{"progress": [3, 10]}'
while ! test -e "$PLACE_KEY/on"; do sleep 0.05; done
say '{"stage": "copying"}'
say '{"step": "copied /srv", "data": {"files": 512, "api_token": "hunter2"}}'
say '{"result": {"files": 512}}'
echo done
while ! test -e "$PLACE_KEY/end"; do sleep 0.05; done
"""


async def test_a_card_follows_its_task_to_the_end_and_shows_what_came_of_it(
    page: Page, console: Console, client: Client
) -> None:
    go = console.log
    for name in ("on", "end"):
        (go / name).unlink(missing_ok=True)
    # Named like a secret, so that the photograph shows no path of the machine that it was made on.
    payload = {"script": SAY + WAITING, "env": {"PLACE_KEY": str(go), "DB_PASSWORD": "correct horse"}}
    with traced(f"00-{TRACE}-b7ad6b7169203331-01"):
        handle = await client.enqueue(
            "ExecuteScript", payload, title="Copy the archive", labels={"tenant": "acme"}, coalesce_key="copy-archive"
        )
    await page.goto(f"{console.url}/tasks/{handle.id}")
    head = page.locator(".card-head")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Copy the archive")
    await expect(head).to_contain_text("Running")
    await expect(head).to_contain_text("looking")
    await expect(head).to_contain_text("3 / 10")
    await page.locator("#attempt-1 summary").click()
    (go / "on").touch()
    await expect(page.locator("#timeline")).to_contain_text("copied /srv", timeout=SOON_MS)
    await expect(head).to_contain_text("copying")
    assert await page.locator("#attempt-1").get_attribute("open") is None, "what was closed stays closed"
    await page.locator("#attempt-1 summary").click()
    (go / "end").touch()
    await expect(head.locator(".pill").first).to_have_text("Completed", timeout=SOON_MS)
    await expect(page.locator("#result")).to_contain_text("Exit code")
    await expect(page.locator("#said")).to_contain_text("512")
    await expect(page.get_by_role("button", name="Interrupt")).to_have_count(0)
    details = page.get_by_role("complementary")
    for words in ("ExecuteScript", "tenant=acme", "copy-archive", TRACE, "User"):
        await expect(details).to_contain_text(words)
    await good_looks(page, "card")


async def test_secrets_of_a_payload_are_hidden_until_an_operator_asks(
    page: Page, browser: Browser, console: Console, client: Client
) -> None:
    secrets = {"DB_PASSWORD": "correct horse", "PLAIN": "to be seen"}
    step = """say '{"step": "asked", "data": {"api_token": "hun'ter'2"}}'"""
    handle = await client.enqueue("ExecuteScript", {"script": SAY + step, "env": secrets})
    await handle.result(20)
    await page.goto(f"{console.url}/tasks/{handle.id}")
    await expect(page.locator("#payload")).to_contain_text("to be seen")
    assert not re.search("correct horse|hunter2", await page.content())
    await page.get_by_role("button", name="Show them").click()
    await expect(page.locator("#payload")).to_contain_text("correct horse")
    async with browsing(browser, console, await console.token_for(Role.VIEWER)) as viewer:
        await viewer.goto(f"{console.url}/tasks/{handle.id}")
        await expect(viewer.locator("#payload")).to_contain_text("hidden")
        answer = await viewer.request.get(f"{console.url}/tasks/{handle.id}/payload")
        assert (answer.status, "correct horse" in await answer.text()) == (403, False)
        main = viewer.locator("main")
        for name in ("Show them", "Retry", "Interrupt", "Run again with changes"):
            await expect(main.get_by_role("button", name=name).or_(main.get_by_role("link", name=name))).to_have_count(
                0
            )
        csrf = await viewer.locator("input[name=csrf]").first.input_value()
        for action in ("interrupt", "priority", "retry"):
            headers = {"x-csrf-token": csrf, "origin": console.url, "hx-request": "true"}
            answer = await viewer.request.post(f"{console.url}/tasks/{handle.id}/{action}", headers=headers)
            assert answer.status == 403


async def test_a_waiting_task_says_what_it_waits_for_and_can_be_given_another_priority_or_interrupted(
    page: Page, console: Console, client: Client
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    first = await client.enqueue(
        "ExecuteScript", {"script": "true"}, title="The first", due=tomorrow, coalesce_key="1st"
    )
    await client.enqueue("ExecuteScript", {"script": "true"}, due=tomorrow, coalesce_key="1st")
    second = await client.enqueue("ExecuteScript", {"script": "true"}, title="The second", after=[first.id])
    await page.goto(f"{console.url}/tasks/{second.id}")
    why = page.locator("#why")
    await expect(why).to_contain_text("What clears it")
    await accessible(page)
    await photograph(page, "card-waiting")
    await page.get_by_role("button", name="Reprioritize").click()
    await accessible(page)
    await page.get_by_role("spinbutton", name="Priority").fill("300")
    await page.get_by_role("button", name="Set priority").click()
    await page.get_by_text("A whole number from 0 to 100").wait_for()
    await page.get_by_role("spinbutton", name="Priority").fill("12")
    await page.get_by_role("button", name="Set priority").click()
    await expect(page.locator(".card-head")).to_contain_text("High 12", timeout=SOON_MS)
    await expect(page.locator("#dialog")).to_be_hidden()
    await why.get_by_role("link", name=f"Task {first.id}").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("The first")
    await page.get_by_role("button", name="Interrupt").click()
    await page.get_by_label("Reason").fill("not needed")
    await page.locator("#dialog").get_by_role("button", name="Interrupt").click()
    await expect(page.locator(".card-message")).to_contain_text("not needed", timeout=SOON_MS)
    await expect(page.locator(".card-head .pill").first).to_have_text("Canceled")
    await expect(page.locator("#dialog")).to_be_hidden()
    await expect(page.get_by_role("complementary")).to_contain_text("1 joined it")
    await page.go_back()
    await expect(page.locator(".card-head .pill").first).to_have_text("Completed", timeout=10_000)


async def test_a_running_task_is_interrupted_from_its_card_and_asked_for_again(
    page: Page, console: Console, client: Client
) -> None:
    handle = await client.enqueue("ExecuteScript", {"script": "echo begun; sleep 60"}, title="Sleeps long")
    await page.goto(f"{console.url}/tasks/{handle.id}")
    await expect(page.locator("#timeline")).to_contain_text("started sh", timeout=SOON_MS * 2)
    await page.get_by_role("button", name="Interrupt").click()
    await accessible(page)
    await page.keyboard.type("it sleeps")  # the reason has the focus
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text(f"Interrupted task {handle.id}")
    await expect(page.locator(".card-head .pill").first).to_have_text("Canceled", timeout=5000)
    await expect(page.locator(".card-message")).to_contain_text("it sleeps")
    assert (await client.get_task(handle.id)).state == "CANCELED"
    again = page.get_by_role("link", name="Run again with changes")
    assert (await again.get_attribute("href") or "").endswith(f"/launch?from={handle.id}")
    await page.get_by_role("button", name="Retry").dblclick()
    await page.get_by_role("link", name=f"Task {handle.id}").wait_for()
    new = int(page.url.rpartition("/")[2])
    assert new > handle.id
    assert [task.id async for task in client.list_tasks(filter=f"retry_of = tasks/{handle.id}")] == [new]
    await client.interrupt(new)
    await expect(page.locator(".card-head .pill").first).to_have_text("Canceled", timeout=5000)


async def test_each_attempt_is_a_section_the_newest_open_and_the_last_error_is_seen_at_once(
    page: Page, console: Console, client: Client
) -> None:
    script = """say '{"stage": "first"}'; sleep 0.2; say '{"stage": "second"}'; echo "no such feed" >&2; exit 3"""
    handle = await client.enqueue(
        "ExecuteScript", {"script": SAY + script}, title="Fails twice", retry_attempts=2, retry_pause=0.2
    )
    with pytest.raises(TaskFailed, match="exit code 3"):
        await handle.result(20)
    await page.goto(f"{console.url}/tasks/{handle.id}")
    await expect(page.locator(".card-message")).to_contain_text("exit code 3: no such feed")
    assert [await one.get_attribute("id") for one in await page.locator(".attempt").all()] == [
        "attempt-2", "attempt-1", "attempt-0",
    ]  # fmt: skip
    assert await page.locator(".attempt[open]").get_attribute("id") == "attempt-2"
    stages = page.locator("#attempt-2 table tbody th")
    assert await stages.all_text_contents() == ["running", "first", "second"]
    await page.locator("#attempt-1 summary").click()
    await expect(page.locator("#attempt-1")).to_contain_text("waits for another attempt")
    await good_looks(page, "card-failed")


async def test_on_a_console_that_is_for_reading_only_nobody_can_change_a_task(
    browser: Browser, console: Console, client: Client, tmp_path: Path
) -> None:
    handle = await client.enqueue("ExecuteScript", {"script": "true"}, due=datetime.now(UTC) + timedelta(days=1))
    reading = await asyncio.to_thread(start_console, console.home, tmp_path, "--read-only")
    async with browsing(browser, reading, reading.token) as page:
        await page.goto(f"{reading.url}/tasks/{handle.id}")
        await expect(page.locator("#why")).to_contain_text("it is due", ignore_case=True)
        assert await page.locator("main").get_by_role("button", name="Interrupt").count() == 0
        csrf = await page.locator("input[name=csrf]").first.input_value()
        for action in ("interrupt", "priority", "retry"):
            headers = {"x-csrf-token": csrf, "origin": reading.url, "hx-request": "true"}
            answer = await page.request.post(f"{reading.url}/tasks/{handle.id}/{action}", headers=headers)
            assert answer.status == 403
    assert (await client.get_task(handle.id)).state == "PENDING"
    await client.interrupt(handle.id)


async def test_what_is_no_task_is_said_in_words_and_an_open_card_asks_upstream_once(
    page: Page, console: Console, client: Client
) -> None:
    for id in ("999999999", "99999999999999999999999"):
        answer = await page.goto(f"{console.url}/tasks/{id}")
        assert answer is not None
        assert answer.status in (404, 422)
    handle = await client.enqueue("ExecuteScript", {"script": "sleep 0.5"}, title="Short")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{console.url}/tasks/{handle.id}")
    await expect(page.locator(".card-head .pill").first).to_have_text("Completed", timeout=10_000)
    with pytest.raises(TimeoutError):  # the stream ends with the task, and a browser would come back after a second
        await page.wait_for_event("request", lambda request: "/events" in request.url, timeout=1600)
    assert len([url for url in asked if "/events" in url]) == 1
    assert len([url for url in asked if url.endswith("/card")]) < 10


async def test_what_ran_on_an_agent_shows_its_host(page: Page, console: Console, client: Client) -> None:
    file = console.log / "agent.token"
    file.write_text(await console.token_for(Role.AGENT, "card-01"))
    place = ["--id", "card-01", "--server", client.address, "--token-file", str(file), "--label", "site=east"]
    agent = console.home.start("agent", *place)
    try:
        handle = await client.enqueue("ExecuteScript", {"script": "true"}, title="On a host", pool="agent:card-01")
        await page.goto(f"{console.url}/tasks/{handle.id}")
        details = page.get_by_role("complementary")
        await expect(details.get_by_role("heading", name="Host")).to_be_visible(timeout=20_000)
        for words in ("card-01", "site=east", "Processors", "Booted"):
            await expect(details).to_contain_text(words)
        await handle.result(20)
    finally:
        agent.terminate()
        await asyncio.to_thread(agent.communicate)
