"""The live log of a task: any length, any bytes, as they are written, and through a stream that breaks."""

from __future__ import annotations

import asyncio
import gc
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from grpc.aio import UnaryStreamCall
from playwright.async_api import Browser, Page, expect
from starlette.requests import Request
from starlette.types import Message
from windlass_client import Client, Handle, Role
from windlass_console.pages import log
from windlass_console.sessions import Session

from tests.console.browsing import Console, accessible, browsing, no_sideways_scrolling, photograph
from tests.console.cutting import Cutter, cutter_before

HOSTILE = "<img src=x onerror=alert(1)>"
LONG = "seq 1 100000; echo 'it is an Exception here'; seq 1 3"
LONG_TASKS = """
window.longest = 0;
new PerformanceObserver(list => {
  for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration);
}).observe({ type: "longtask", buffered: true });
"""
LONGEST_TASK_MS = 400
"""A quarter of it on a machine of its own."""

COLOURED = r"""
printf '\033[1;32mgreen and bold\033[0m plain \033[38;5;196mred of 256\033[0m \033[48;2;0;0;255mblue below\033[0m\n'
printf '\033]0;evil title\007\033[2Jcleared\033[10;10H?\n'
printf '</script><img src=x onerror=alert(1)>\n'
printf ' 10%%\r\033[33m 50%%\r100%% done\r\n\033[0m'
printf 'caf\303\251 \377\376 broken\n'
printf 'over\342\200\256gnp.exe\n'
head -c 1000000 /dev/zero | tr '\0' 'x'; echo far right
printf 'no end of line'
"""
# Each took a regular expression many seconds: returns before a letter, and what looks like a colour.
FREEZING = """
() => {
  const log = new windlass.logText.Log();
  const began = performance.now();
  const texts = [
    "\\r".repeat(60000) + "x",
    "\\x1b[" + "1".repeat(60000) + "mdigits",
    "\\x1b[" + ":".repeat(60000) + "mcolons",
  ];
  log.add([1, 1, 0, 1, 0, btoa(texts.join("\\n") + "\\n")]);
  const lines = log.lines.filter(line => line.kind === "line").map(line => line.text);
  return [lines, performance.now() - began];
}
"""
ALL_AT_ONCE_OR_EACH_BYTE = """
bytes => {
  const lines = parts => {
    const log = new windlass.logText.Log();
    parts.forEach((part, n) => log.add([n + 1, 1, 0, 1, 0, btoa(String.fromCharCode(...part))]));
    log.finish();
    return log.lines.filter(line => line.kind === "line").map(line => windlass.logText.runs(line.text, line.style));
  };
  return [lines([bytes]), lines(bytes.map(each => [each]))];
}
"""
TEXTS = "document.getElementById('log').panel.log.lines.filter(one => one.kind === 'line').map(one => one.text)"


@asynccontextmanager
async def script(client: Client, text: str, **more: Any) -> AsyncIterator[Handle]:
    """A script of ours, that does not outlive its test."""
    handle = await client.enqueue("ExecuteScript", {"script": text}, title=f"Log of ours {HOSTILE}", **more)
    try:
        yield handle
    finally:
        if not (await handle.task()).state.final:
            await handle.interrupt("the test is over")


def until(file: Path) -> str:
    return f"while [ ! -e {file} ]; do sleep 0.02; done"


def row(page: Page, text: str) -> Any:
    return page.locator(".log-row").filter(has=page.locator(".log-text", has_text=text))


async def test_100000_lines_load_scroll_and_are_searched_without_freezing(
    page: Page, console: Console, client: Client
) -> None:
    async with script(client, LONG) as handle:
        await handle.result(30)
        await page.add_init_script(LONG_TASKS)
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("100,004 lines")
        await page.keyboard.press("/")
        await page.keyboard.type("9999")
        matches = sum("9999" in str(number) for number in range(1, 100_001))
        await expect(page.locator("#log-found")).to_have_text(f"{matches} lines")
        await page.keyboard.press("Enter")
        await expect(page.locator(".log-current mark")).to_have_text("9999")
        await page.keyboard.press("Shift+Enter")
        await expect(page.locator("#log-found")).to_have_text(f"{matches} of {matches}")
        await expect(page.locator(".log-current .log-text")).to_have_text("99999")
        await photograph(page, "log-long")
        await page.get_by_role("button", name="First error").click()
        await expect(page.locator(".log-current .log-text")).to_have_text("it is an Exception here")
        await expect(page.get_by_text("Line 100001.")).to_be_visible()
        await page.locator(".log-view").press("End")
        await expect(page.locator(".log-number", has_text="100004")).to_be_in_viewport()
        await page.locator(".log-view").press("Home")
        await expect(page.locator(".log-row").nth(1).locator(".log-text")).to_have_text("1")
        assert await page.locator(".log-row").count() < 120
        assert await page.evaluate("window.longest") < LONGEST_TASK_MS


async def test_lines_show_as_they_are_written_and_following_stops_for_who_scrolls(
    page: Page, console: Console, client: Client, tmp_path: Path
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    text = f"{until(first)}; seq 1 300; {until(second)}; echo called; {until(third)}; seq 1 500; echo last"
    async with script(client, text) as handle:
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.get_by_text("No output yet")).to_be_visible()
        await accessible(page)
        first.touch()
        await expect(row(page, "300")).to_be_in_viewport(timeout=1500)
        await expect(page.locator(".log-count")).to_have_text("300 lines, live")
        second.touch()
        await expect(row(page, "called")).to_be_in_viewport(timeout=1500)
        follow = page.get_by_role("button", name="Follow")
        await expect(follow).to_have_attribute("aria-pressed", "true")
        await page.locator(".log-view").hover()
        await page.mouse.wheel(0, -2000)
        await expect(follow).to_have_attribute("aria-pressed", "false")
        stood = await page.locator(".log-view").evaluate("box => box.scrollTop")
        third.touch()
        await expect(page.locator(".log-count")).to_have_text("802 lines")
        assert await page.locator(".log-view").evaluate("box => box.scrollTop") == stood
        await follow.click()
        await expect(row(page, "last")).to_be_in_viewport()


async def test_a_stream_that_breaks_goes_on_behind_what_was_seen(
    browser: Browser, console: Console, client: Client, tmp_path: Path
) -> None:
    second, third = tmp_path / "second", tmp_path / "third"
    text = f"seq 1 50; {until(second)}; seq 51 100; {until(third)}; seq 101 150"
    async with AsyncExitStack() as stack:
        cutter = await stack.enter_async_context(cutter_before(console.url))
        handle = await stack.enter_async_context(script(client, text))
        page = await stack.enter_async_context(browsing(browser, replace(console, url=cutter.url), console.token))
        await page.goto(f"{cutter.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("50 lines, live")
        second.touch()
        await expect(page.locator(".log-count")).to_have_text("100 lines, live")
        await _broken(page, cutter)
        third.touch()
        await handle.result(30)
        cutter.mend()
        await expect(page.locator(".log-count")).to_have_text("150 lines")
        await expect(page.locator(".log-says")).to_be_empty()
        assert await page.evaluate(TEXTS) == [str(number) for number in range(1, 151)]
        assert b"last-event-id:" in cutter.asked.lower()


async def _broken(page: Page, cutter: Cutter) -> None:
    cutter.cut()
    await expect(page.locator(".log-says")).to_have_text("The stream broke; trying again.")


async def test_colours_are_safe_and_what_is_hostile_is_text(page: Page, console: Console, client: Client) -> None:
    async with script(client, COLOURED) as handle:
        await handle.result(30)
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("8 lines")
        texts = await page.locator(".log-line .log-text").all_inner_texts()
        assert texts[:6] == [
            "green and bold plain red of 256 blue below",
            "cleared?",
            f"</script>{HOSTILE}",
            "100% done",
            "café �� broken",
            "overgnp.exe",
        ]
        assert texts[6].startswith("x" * 2000 + "show all (998,009 more")
        assert await page.locator(".log-line .fg-2.is-bold").inner_text() == "green and bold"
        assert await page.locator(".bg-4").inner_text() == "blue below"
        assert await page.locator(".fg-3").inner_text() == "100% done"
        await expect(page.locator("h1")).to_contain_text(HOSTILE)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await accessible(page)
        await no_sideways_scrolling(page)
        await photograph(page, "log")
        await page.get_by_label("Search the log").fill("FAR RIGHT")
        await expect(page.locator("#log-found")).to_have_text("1 line")
        await page.get_by_role("button", name="Next match").click()
        await expect(page.locator("mark")).to_be_in_viewport()
        await expect(page.get_by_role("button", name="show all")).to_have_count(0)
        assert await page.locator(".log-line .log-text").nth(6).inner_text() == "x" * 1_000_000 + "far right"
        await page.reload()
        await page.get_by_role("button", name="show all").click()
        await expect(page.get_by_role("button", name="show all")).to_have_count(0)
        whole, each_byte = await page.evaluate(ALL_AT_ONCE_OR_EACH_BYTE, list(_printed(COLOURED)[:400]))
        assert whole == each_byte


def _printed(text: str) -> bytes:
    return subprocess.run(["sh", "-c", text], capture_output=True, check=False).stdout


async def test_a_viewer_reads_every_attempt_and_downloads_what_was_printed(
    browser: Browser, console: Console, client: Client
) -> None:
    text = COLOURED.replace("1000000", "100") + "echo 'out of paper' >&2; exit 3"
    async with (
        script(client, text, retry_attempts=2, retry_pause=0.05) as handle,
        browsing(browser, console, await console.token_for(Role.VIEWER)) as page,
    ):
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("18 lines")
        assert await page.locator(".log-heading .log-text").all_inner_texts() == ["Attempt 1", "Attempt 2"]
        await page.get_by_label("Stream").select_option("stderr")
        await page.get_by_label("Attempt", exact=True).select_option("Attempt 2")
        await page.get_by_role("button", name="Time").click()
        await page.reload()
        await expect(page.locator(".log-line")).to_have_count(1)
        await expect(page.locator(".log-err .log-sign")).to_have_text("err")
        await expect(page.locator(".log-err .log-time")).to_be_visible()
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.get_by_role("button", name="Copy").click()
        await expect(page.get_by_text("Copied 2 lines.")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == "Attempt 2\nout of paper\n"
        await page.get_by_label("Stream").select_option("0")
        await page.get_by_label("Attempt", exact=True).select_option("0")
        await photograph(page, "log-attempts")
        await page.set_viewport_size({"width": 380, "height": 800})
        rows = await page.locator(".log-row").count()
        await page.get_by_role("button", name="Wrap").click()
        await expect(page.locator(".log-row")).not_to_have_count(rows)
        text_of_line_7 = "".join(await page.locator(".log-row").filter(has_text="xxx").all_inner_texts())
        assert text_of_line_7.count("x") == 200
        raw, plain = await _downloads(page)
        out, err = _printed(text), b"out of paper\n"
        assert raw.replace(err, b"") == out + out
        assert raw.count(err) == 2
        assert b"\x1b" not in plain
        assert plain.count("――― attempt 2 ―――\n".encode()) == 1


async def test_the_log_of_who_signed_out_in_another_tab_says_so(
    browser: Browser, console: Console, client: Client
) -> None:
    async with (
        script(client, "echo here; sleep 60") as handle,
        browsing(browser, console, await console.token_for(Role.VIEWER)) as page,
    ):
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("1 line, live")
        other = await page.context.new_page()
        await other.goto(f"{console.url}/sign-in")
        await other.get_by_role("button", name="Sign out").click()
        await expect(page.locator(".log-says")).to_have_text("You are signed out: load the page again.")


async def test_output_that_is_made_to_freeze_a_page_does_not(page: Page, console: Console, client: Client) -> None:
    async with script(client, "true") as handle:
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        lines, milliseconds = await page.evaluate(FREEZING)
        assert lines == ["x", "digits", "colons"]
        assert milliseconds < LONGEST_TASK_MS


async def test_a_download_keeps_the_lines_behind_a_title_that_was_never_closed(
    page: Page, console: Console, client: Client
) -> None:
    text = r"printf '\033]0;no end\nthe reason why\n'; exit 3"
    async with script(client, text, retry_attempts=2, retry_pause=0.05) as handle:
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("4 lines")
        _, plain = await _downloads(page)
        attempt = ["]0;no end", "the reason why"]
        assert plain.decode().splitlines() == [*attempt, "――― attempt 2 ―――", *attempt]


async def test_the_watch_of_the_server_ends_when_the_browser_goes(client: Client) -> None:
    async with script(client, "echo here; sleep 60") as handle:
        sent: list[bytes] = []
        begun = asyncio.Event()

        async def receive() -> Message:
            await begun.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message.get("body", b""))
            if b"event: output" in b"".join(sent):
                begun.set()

        session = Session(client=client, token="", identity=await client.access.whoami())
        scope = {"type": "http", "method": "GET", "path_params": {"id": handle.id}, "query_string": b"", "headers": []}
        request = Request({**scope, "state": {"session": session}})
        answer = await log.stream(request)
        async with asyncio.timeout(20):
            await answer(request.scope, receive, send)
        calls = [each for each in gc.get_objects() if isinstance(each, UnaryStreamCall)]
        assert [each for each in calls if not each.done()] == []


async def _downloads(page: Page) -> list[bytes]:
    files = []
    for name in ("Raw", "Download"):
        async with page.expect_download() as coming:
            await page.get_by_role("link", name=name).click()
        file = await coming.value
        assert file.suggested_filename.startswith("task-")
        files.append((await file.path()).read_bytes())
    return files
