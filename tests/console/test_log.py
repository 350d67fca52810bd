"""The live log of a task: any length, any bytes, as they are written, and through a stream that breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, expect
from windlass_client import Client, Handle, Role

from tests.console.browsing import Console, accessible, browsing, no_sideways_scrolling, photograph

LONG = "seq 1 100000; echo 'it is an Exception here' >&2; seq 1 3"
COLOURED = r"""
printf '\033[1;32mgreen and bold\033[0m plain \033[38;5;196mred of 256\033[0m \033[48;2;0;0;255mblue below\033[0m\n'
printf '\033]0;evil title\007\033[2Jcleared\033[10;10H?\n'
printf '</script><img src=x onerror=alert(1)><b>bold</b>\n'
printf ' 10%%\r 50%%\r100%% done\r\n'
printf 'caf\303\251 \377\376 broken\n'
printf 'over\342\200\256gnp.exe\n'
printf 'fatal: the disk is full\n' >&2
head -c 1000000 /dev/zero | tr '\0' 'x'; echo
printf 'no end of line'
"""
ROW = ".log-row"


@asynccontextmanager
async def script(client: Client, text: str, **more: int) -> AsyncIterator[Handle]:
    """A script of ours, that does not outlive its test."""
    handle = await client.enqueue("ExecuteScript", {"script": text}, title="Log of ours", **more)  # type: ignore[arg-type]
    try:
        yield handle
    finally:
        if not (await handle.task()).state.final:
            await handle.interrupt("the test is over")


async def test_a_log_of_100000_lines_stays_quick(page: Page, console: Console, client: Client) -> None:
    async with script(client, LONG) as handle:
        await handle.result(30)
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("100,004 lines")
        print(await page.locator(ROW).count(), await page.locator(".log-rows").inner_text())
        await photograph(page, "log-long")


async def test_colours(page: Page, console: Console, client: Client) -> None:
    async with script(client, COLOURED) as handle:
        await handle.result(30)
        await page.goto(f"{console.url}/tasks/{handle.id}/log")
        await expect(page.locator(".log-count")).to_have_text("9 lines")
        print((await page.locator(".log-rows").inner_text())[:3000])
        print(await page.locator(".log-rows").inner_html()[:3000] if 0 else "")
        await photograph(page, "log")
