"""A console before a real server, and a real browser before the console."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Playwright, expect
from windlass_client import Client, Role

from tests.system.serving import Home, wait_for

BROWSER = "chromium-headless-shell"
"""The same engine without windows, tabs and what else belongs to a desktop: a third less of a processor's time."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]
SIZES = {"wide": (1440, 900), "middle": (900, 1000), "narrow": (380, 800)}
THEMES = ("light", "dark")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WITHIN_MS = 10_000
EXPECTED = ("Failed to load resource", "net::ERR", "Failed to fetch")
HOSTILE = "<img src=x onerror=alert(1)>"
"""Shown as it is written wherever somebody can write it."""
CHOOSE = "theme => { document.documentElement.dataset.theme = theme; document.dispatchEvent(new Event('theme')) }"


# What is to be quick says so itself; everything else may be slow on a busy machine.
expect.set_options(timeout=WITHIN_MS)


@dataclass
class Console:
    """A running console: its address for browsers, and the server behind it."""

    url: str
    home: Home
    token: str
    log: Path

    def client(self, token: str = "") -> Client:
        """Of the server; with the server's own token, which may everything, when none is given."""
        return Client.connect(address_of(self.home), token or self.token)

    async def token_for(self, role: Role, subject: str = "") -> str:
        """A new token of this role."""
        async with self.client() as client:
            return (await client.access.create_token(subject or f"somebody-{role.lower()}", role)).secret


def address_of(home: Home) -> str:
    """Where its newest server listens."""
    files = (home.path / "run").glob("server-*.json")
    newest = max(files, key=lambda file: file.stat().st_mtime)
    return str(json.loads(newest.read_text())["address"])


def start_console(home: Home, folder: Path, *arguments: str) -> Console:
    """A console of its own process; it ends with its home."""
    process = home.start("console", "--listen", "127.0.0.1:0", *arguments)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready on " in line, (line, process.stderr and process.stderr.read())
    token = (home.path / "token").read_text().strip()
    return Console(line.split("ready on ")[1].strip().rstrip("/"), home, token, folder)


async def launch(playwright: Playwright) -> Browser:
    program = shutil.which(BROWSER)
    assert program is not None
    return await playwright.chromium.launch(executable_path=program, args=FLAGS)


@asynccontextmanager
async def browsing(browser: Browser, console: Console, token: str, **options: Any) -> AsyncIterator[Page]:
    """A signed-in page.  Whatever the browser complains of (a script's error, a violated policy) fails the test."""
    context = await browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "timezone_id": "Europe/Helsinki"} | options
    )
    context.set_default_timeout(WITHIN_MS)
    complaints: list[str] = []
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: _note(message, complaints))
    try:
        if token:
            await sign_in(page, console, token)
        yield page
        assert not complaints, "\n".join(complaints)
    finally:
        await context.close()


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    # The browser itself writes a line for each answer of 4xx and 5xx, and for what a console that was killed did not
    # answer: what they say is for the tests to look at.
    if message.type == "error" and not any(words in message.text for words in EXPECTED):
        complaints.append(message.text)


async def sign_in(page: Page, console: Console, token: str) -> None:
    """As the form does it, and before the overview afterwards; the form itself has tests of its own."""
    answer = await page.request.post(
        f"{console.url}/sign-in", form={"token": token}, headers={"origin": console.url}, max_redirects=0
    )
    assert answer.status == 303, await answer.text()
    await page.goto(f"{console.url}/")


async def accessible(page: Page) -> None:
    """axe finds nothing to complain of."""
    results = await Axe().run(page, options={"runOnly": AXE_TAGS})
    found = [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in results.response["violations"]
    ]
    assert found == []


async def accessible_in_both_themes(page: Page) -> None:
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme)
        await accessible(page)


async def good_looks(page: Page, name: str) -> None:
    """In both themes axe is content, it fits on a telephone, and it is photographed under this name."""
    await accessible_in_both_themes(page)
    await no_sideways_scrolling(page)
    await photograph(page, name)


async def confirmed(page: Page, button: str, reason: str = "") -> None:
    """The dialog that is open is filled and agreed to."""
    dialog = page.get_by_role("dialog")
    if reason:
        await dialog.get_by_label("Reason").fill(reason)
    await dialog.get_by_role("button", name=button, exact=True).click()
    await expect(dialog).to_be_hidden()


async def post(page: Page, path: str, fields: Mapping[str, str] = MappingProxyType({})) -> int:
    """Sends a form past what the page offers; the status of the answer."""
    status: int = await page.evaluate(
        """async ([path, fields]) => {
            const headers = JSON.parse(document.body.getAttribute("hx-headers:inherited"));
            return (await fetch(path, {method: "POST", headers, body: new URLSearchParams(fields)})).status;
        }""",
        [path, dict(fields)],
    )
    return status


async def photograph(page: Page, name: str) -> None:
    """Screenshots at three widths and in both themes, when WINDLASS_SCREENSHOTS names a folder for them.

    The wide light one, as much of it as a window holds, is what docs/console shows.
    """
    folder = os.environ.get("WINDLASS_SCREENSHOTS")
    if not folder:
        return
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            await page.evaluate(
                CHOOSE,
                theme,
            )
            await page.screenshot(path=f"{folder}/{name}-{size}-{theme}.png", full_page=size != "wide")
    await page.set_viewport_size({"width": 1280, "height": 900})


async def no_sideways_scrolling(page: Page) -> None:
    """The page itself fits at 380 px; what is wide scrolls in a box of its own."""
    before = page.viewport_size
    await page.set_viewport_size({"width": 380, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 380
    if before:
        await page.set_viewport_size(before)


__all__ = [
    "HOSTILE",
    "Console",
    "Home",
    "accessible",
    "accessible_in_both_themes",
    "browsing",
    "confirmed",
    "good_looks",
    "launch",
    "no_sideways_scrolling",
    "photograph",
    "post",
    "sign_in",
    "start_console",
    "wait_for",
]
