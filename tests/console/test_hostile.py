"""Whatever a task says of itself is shown as text: nothing of it runs, loads anything, or becomes part of the page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from playwright.async_api import Page, Request, expect
from windlass_client import Client, Handle, TaskFailed

from tests.console.browsing import Console, no_sideways_scrolling

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "'><body onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '</textarea><iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '</pre></details><a href="javascript:alert(1)">press</a>',
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus=alert(1) x='",
    '" hx-get="/loaded-by-a-task" hx-trigger="load" x="',
    '<div hx-get="/loaded-by-a-task" hx-trigger="load" hx-target="body"></div>',
    '<p hx-on:load="alert(1)" hx-vals="js:{a: alert(1)}">',
    "{{ 7 * 7 }}{% include 'base.html' %}${alert(1)}",
    "<!--<style>*{display:none}</style>",
    "&lt;img src=x onerror=alert(1)&gt;&#60;script&#62;",
    "\x1b]8;;javascript:alert(1)\x07press\x1b]8;;\x07\x1b[31m<b>red</b>",
)
TITLES = [" ".join(HOSTILE[at : at + 3])[:200].replace("\x1b", "").replace("\x07", "") for at in range(0, 17, 3)]
SCRIPT = 'cat >&"$WINDLASS_STATUS_FD"; printf "%s\\n" "$EVIL"; printf "%s\\n" "$EVIL" | tr "\\n" " " >&2; exit 3'
STRANGERS = "main :is(img, iframe, body, style, b, [onload], [onerror], [onmouseover], [onfocus], [hx-on\\:load])"
STRANGE = f"document.querySelectorAll('{STRANGERS}, main a[href^=javascript], [hx-get^=\"/loaded-by-a-task\"]').length"


async def test_hostile_words_are_text_on_the_card_in_the_lists_and_in_addresses(
    page: Page, console: Console, client: Client
) -> None:
    asked, alerts = _watched(page)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    waiting = [await client.enqueue("ExecuteScript", {"script": "true"}, title=one, due=tomorrow) for one in TITLES]
    loud = await _loud(client)
    with pytest.raises(TaskFailed):
        await loud.result(30)
    for place in ("/", "/active", "/history", f"/tasks/{waiting[0].id}"):
        await _harmless(page, console, place)
    await page.goto(f"{console.url}/tasks/{waiting[3].id}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[3])
    for id in (handle.id for handle in waiting):
        await client.interrupt(id, HOSTILE[0])
    await expect(page.locator(".card-message")).to_contain_text(HOSTILE[0])
    await _harmless(page, console, "/history")
    await _harmless(page, console, f"/tasks/{loud.id}")
    for words in HOSTILE[:16]:
        await expect(page.locator("#timeline")).to_contain_text(f"step {words}")
        await expect(page.locator("#timeline table")).to_contain_text(f"stage {words}")
        await expect(page.locator("#result-json")).to_contain_text(json.dumps(words, ensure_ascii=False))
    await expect(page.locator(".card-message")).to_contain_text(HOSTILE[0])
    await expect(page.get_by_role("complementary")).to_contain_text(HOSTILE[1])
    await no_sideways_scrolling(page)
    evil = quote("".join(HOSTILE))
    for place in ("/active?filter=", "/history?filter=", "/history?order_by=", "/launch?kind=", "/sign-in?to="):
        await _harmless(page, console, place + evil)
    await _harmless(page, console, f"/tasks/{loud.id}?lines={evil}")
    assert alerts == []
    assert [
        url for url in asked if not url.startswith(console.url) or "loaded-by-a-task" in url.partition("?")[0]
    ] == []


def _watched(page: Page) -> tuple[list[str], list[str]]:
    """What the page asks for, and what it shouts, from now on."""
    asked: list[str] = []
    alerts: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith("data:"):
            asked.append(request.url)

    page.on("request", note)
    page.on("dialog", lambda dialog: alerts.append(dialog.message))
    return asked, alerts


async def _loud(client: Client) -> Handle:
    """A task that has it all in its payload, labels, stages, steps, result, output, and in its error."""
    said: list[dict[str, object]] = [{"stage": f"stage {words}"} for words in HOSTILE]
    said += [{"step": f"step {words}", "data": {words: words}} for words in HOSTILE]
    said.append({"result": {"list": HOSTILE, "plain": HOSTILE[0]}})
    return await client.enqueue(
        "ExecuteScript",
        {
            "script": SCRIPT + " # " + " ".join(HOSTILE).replace("\x1b", "").replace("\x07", ""),
            "stdin": "".join(json.dumps(one) + "\n" for one in said),
            "env": {"EVIL": "\n".join(HOSTILE)},
        },
        title=TITLES[0],
        labels={"evil": HOSTILE[1]},
        retry_attempts=1,
    )


async def _harmless(page: Page, console: Console, place: str) -> None:
    await page.goto(console.url + place)
    await page.wait_for_load_state("load")
    assert await page.evaluate(STRANGE) == 0, place
    assert await page.title() != "", "a title of a task did not close that of the page"
