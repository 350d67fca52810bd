"""One server, one console and one browser a session for all these tests, which run in one event loop."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from windlass_client import Client

from tests.console.browsing import BROWSER, Console, browsing, launch, start_console
from tests.system.serving import Home, home_in

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            if inspect.iscoroutinefunction(getattr(item, "obj", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.needs(program=BROWSER, package="chromium-headless-shell"))
            item.add_marker("calm")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A server with its embedded PostgreSQL and Valkey."""
    with home_in(tmp_path_factory.mktemp("console"), WINDLASS_NODE_DRAIN_GRACE="0.5") as made:
        made.serve()
        yield made


@pytest.fixture(scope="session")
def console(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Console:
    return start_console(home, tmp_path_factory.mktemp("console-log"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        made = await launch(playwright)
        yield made
        await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, console: Console) -> AsyncIterator[Page]:
    """Signed in with the server's own token, which may everything."""
    async with browsing(browser, console, console.token) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(console: Console) -> AsyncIterator[Client]:
    """Of the server behind the console."""
    async with console.client() as made:
        yield made
