"""The script library: kept, read, run with parameters, changed by two at once, deleted."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Browser, Dialog, Page, expect
from windlass_client import Client, Role

from tests.console.browsing import (
    HOSTILE,
    Console,
    accessible,
    accessible_in_both_themes,
    browsing,
    confirmed,
    good_looks,
    no_sideways_scrolling,
    photograph,
)
from tests.console.test_launch import started

PARAMETERS = [
    {"name": "days", "type": "integer", "default": 7, "description": "How old."},
    {"name": "place", "required": True, "description": "Where."},
    {"name": "how", "type": "choice", "choices": ["slow", "fast"]},
]
TEXT = "\n".join([f"# {HOSTILE}", 'echo "$WINDLASS_PARAM_PLACE $WINDLASS_PARAM_DAYS"', *["true"] * 30])


async def keep(client: Client, name: str, **more: object) -> None:
    script = {"name": name, "text": TEXT, "description": f"Removes what is old {HOSTILE}", "parameters": PARAMETERS}
    await client.operations.call("scripts.save", script | more)


async def test_a_script_is_found_read_and_run_with_its_parameters(page: Page, console: Console, client: Client) -> None:
    await keep(client, "cleanup-run", text="true")
    await keep(client, "cleanup-run")
    await page.goto(f"{console.url}/scripts")
    await page.get_by_role("link", name="cleanup-run").wait_for()
    await good_looks(page, "scripts")
    await page.get_by_label("Name begins with").fill("cleanup-r")
    await expect(page).to_have_url(re.compile("prefix=cleanup-r$"))
    await expect(page.locator("#scripts tbody tr")).to_have_count(1)
    await page.get_by_label("Name begins with").fill("nothing so")
    await page.get_by_text("No script has a name that begins with").wait_for()
    await page.go_back()
    await page.goto(f"{console.url}/scripts/cleanup-run")
    await expect(page.locator(".source li").first).to_have_text(f"# {HOSTILE}")
    await expect(page.locator(".source li")).to_have_count(32)
    await photograph(page, "script")
    await page.get_by_role("button", name="Run version 2").click()
    place = page.get_by_label("place", exact=True)
    await expect(place).to_have_accessible_description(re.compile("Is required"))
    await accessible_in_both_themes(page)
    await no_sideways_scrolling(page)
    await place.fill("/tmp")
    await page.get_by_label("how", exact=True).select_option("fast")
    await page.get_by_label("Title").fill("Clean up now")
    await page.get_by_role("button", name="Run version 2").dblclick()
    task = await client.get_task(await started(page))
    assert task.payload == {"library": "cleanup-run@2", "parameters": {"place": "/tmp", "how": "fast"}}
    await client.result(task.id, timeout=20)
    await page.goto(f"{console.url}/scripts/cleanup-run?version=1")
    await page.get_by_text("This is an old version").wait_for()
    await expect(page.locator(".source li")).to_have_count(1)
    await client.operations.call("scripts.delete", {"name": "cleanup-run"})


async def test_a_library_of_many_scripts_is_shown_a_page_at_a_time(
    page: Page, console: Console, client: Client
) -> None:
    names = [f"many-{number:03}" for number in range(101)]
    await asyncio.gather(*(keep(client, name, text="true") for name in names))
    await page.goto(f"{console.url}/scripts?prefix=many-")
    await expect(page.locator("#scripts tbody tr")).to_have_count(100)
    await photograph(page, "scripts-many")
    await page.get_by_role("link", name="Next page").click()
    await expect(page.locator("#scripts tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="many-100").wait_for()
    await page.get_by_role("link", name="First page").click()
    await page.get_by_role("link", name="many-000").wait_for()
    await asyncio.gather(*(client.operations.call("scripts.delete", {"name": name}) for name in names))


async def test_a_new_script_is_written_checked_and_saved(page: Page, console: Console, client: Client) -> None:
    await page.goto(f"{console.url}/scripts")
    await page.get_by_role("link", name="New script").click()
    await page.get_by_role("button", name="Save", exact=True).click()
    name, source = page.get_by_label("Name", exact=True), page.get_by_label("Source", exact=True)
    await expect(name).to_have_accessible_description(re.compile("Is required"))
    await name.fill("_no name")
    await source.fill("if true\nthen\necho yes\nfi")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(name).to_have_accessible_description(re.compile("can't be the name of a script"))
    await expect(source).to_have_value("if true\nthen\necho yes\nfi")
    await name.fill("written-here")
    await page.get_by_label("Interpreter", exact=True).fill("cobol")
    await page.get_by_role("button", name="Save", exact=True).click()
    interpreter = page.get_by_label("Interpreter", exact=True)
    await expect(interpreter).to_have_accessible_description(re.compile("'cobol' is not allowed here"))
    await interpreter.fill("sh")
    await source.focus()
    await source.evaluate("area => area.setSelectionRange(14, 14)")
    await page.keyboard.press("Control+]")
    await expect(source).to_have_value("if true\nthen\n    echo yes\nfi")
    await page.keyboard.press("Tab")
    await expect(source).not_to_be_focused()
    await good_looks(page, "script-editor-errors")
    await page.keyboard.press("Control+s")
    await page.wait_for_url(re.compile("/scripts/written-here$"))
    shown = await client.operations.call("scripts.show", {"name": "written-here"})
    assert (shown["text"], shown["version"]) == ("if true\nthen\n    echo yes\nfi", 1)
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("heading", name="Delete written-here?").wait_for()
    await accessible(page)
    await confirmed(page, "Delete")
    await page.wait_for_url(re.compile("/scripts$"))
    assert await client.operations.call("scripts.list", {"prefix": "written-here"}) == []


async def test_who_was_slower_is_told_and_loses_nothing(page: Page, console: Console, client: Client) -> None:
    await keep(client, "twice-changed", secrets={"KEY": "prod/key"}, limits={"pids_max": 9}, confinement="confined")
    before = await client.operations.call("scripts.show", {"name": "twice-changed"})
    await page.goto(f"{console.url}/scripts/twice-changed/edit")
    source = page.get_by_label("Source", exact=True)
    await photograph(page, "script-editor")
    await source.fill("echo mine")
    await page.get_by_text("not saved yet").wait_for()
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.once("dialog", stay)
    await page.get_by_role("link", name="Cancel").click()
    await expect(source).to_have_value("echo mine")
    assert asked == ["beforeunload"]
    await keep(client, "twice-changed", text="echo theirs")
    await page.get_by_role("button", name="Save a new version").click()
    await page.get_by_text("Somebody else has changed this script").wait_for()
    await expect(source).to_have_value("echo mine")
    await accessible(page)
    await photograph(page, "script-conflict")
    await page.get_by_role("button", name="Save mine as version 3").click()
    await page.wait_for_url(re.compile("/scripts/twice-changed$"))
    after = await client.operations.call("scripts.show", {"name": "twice-changed"})
    assert (after["text"], after["version"]) == ("echo mine", 3)
    # What the editor did not touch is as it was.
    for field in ("description", "parameters", "secrets", "limits", "confinement", "interpreter"):
        assert after[field] == before[field]
    await client.operations.call("scripts.delete", {"name": "twice-changed"})


async def test_who_only_looks_reads_scripts_and_changes_none(
    browser: Browser, console: Console, client: Client
) -> None:
    await keep(client, "look-only")
    async with browsing(browser, console, await console.token_for(Role.VIEWER)) as page:
        await page.goto(f"{console.url}/scripts/look-only")
        await page.get_by_text("Running it needs the role submitter").wait_for()
        for name in ("Run version", "Delete"):
            await expect(page.get_by_role("button", name=name)).to_have_count(0)
        await expect(page.get_by_role("link", name="Edit", exact=True)).to_have_count(0)
        await page.goto(f"{console.url}/scripts/look-only/edit")
        await page.get_by_text("Saving scripts needs a higher role").wait_for()
        await page.goto(f"{console.url}/scripts/no-such-script")
        await page.get_by_role("heading", name="There is no such script").wait_for()
    await client.operations.call("scripts.delete", {"name": "look-only"})
