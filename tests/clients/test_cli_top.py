"""`windlass top` against a kernel, without a terminal but for the last test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from windlass.control.server import Server
from windlass_cli.top.app import Top
from windlass_client import Client

from tests.clients.command_line import CommandLine
from tests.control.calling import TOKEN, Calling, State
from tests.waiting import eventually

WITHIN_S = 20.0


class Screen:
    """What somebody who sits there sees, and types."""

    def __init__(self, app: Top, pilot: Pilot[None]) -> None:
        self.app, self._pilot = app, pilot

    @property
    def lines(self) -> list[str]:
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def shows(self, *parts: str) -> None:
        await self.until(lambda text: all(part in text for part in parts), f"shows {parts}")

    async def until(self, true: Callable[[str], bool], what: str = "") -> None:
        try:
            await eventually(lambda: true(self.text), WITHIN_S)
        except AssertionError:
            raise AssertionError(f"never {what}:\n{self.text}") from None

    def under_the_cursor(self) -> str:
        (line,) = [line for line in self.lines if line.startswith("▸")]
        return line

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self._pilot.press(*text)

    async def resize(self, width: int, height: int) -> None:
        await self._pilot.resize_terminal(width, height)


@asynccontextmanager
async def top(address: str, width: int = 120, height: int = 40) -> AsyncIterator[Screen]:
    async with Client.connect(address, TOKEN) as client:
        app = Top(client, who="tests (admin)")
        async with app.run_test(size=(width, height), notifications=True) as pilot:
            yield Screen(app, pilot)


@pytest.fixture
async def seen(kernel: Calling) -> AsyncIterator[Screen]:
    async with top(kernel.address) as screen:
        yield screen


async def test_x(seen: Screen, kernel: Calling):
    await seen.shows("nothing running")
    a = await kernel.enqueue("Wait", title="nightly \x1b[2J 漢字漢字", coalesce_key="k")
    await kernel.enqueue("Wait", coalesce_key="k")
    await kernel.enqueue("Echo", {"fail": 1})
    await seen.shows("nightly", "Running")
    print(seen.text)
    await seen.press("enter")
    await seen.shows("Attempt 1")
    kernel.wait.tape.put_nowait(42)
    await seen.shows("word 42", "Output")
    print(seen.text)
    await seen.resize(80, 24)
    await asyncio.sleep(0.5)
    print(seen.text)
    await seen.press("tab")
    await asyncio.sleep(0.5)
    print(seen.text)
    await seen.press("tab", "i")
    await asyncio.sleep(0.5)
    print(seen.text)
    await seen.type("why")
    await seen.press("enter")
    await asyncio.sleep(0.5)
    print(seen.text)
    await seen.press("y")
    await kernel.ended(a)
    await asyncio.sleep(1.5)
    print(seen.text)
    await seen.press("o")
    await asyncio.sleep(.5)
    print(seen.text)
    await seen.press("q")
    await seen.press("escape")
    await seen.press("question_mark")
    await asyncio.sleep(.5)
    print(seen.text)
