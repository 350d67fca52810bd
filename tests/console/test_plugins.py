"""Pages of plugins: the generic one, and those of entities and the buffer, before a server with both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from windlass_buffer_client import BufferClient, Statement
from windlass_cli.demo.servers import MainDatabase, main_database, valkey
from windlass_client import Client, Role

from tests.console.browsing import (
    HOSTILE,
    Console,
    accessible,
    browsing,
    confirmed,
    good_looks,
    post,
    start_console,
)
from tests.system.serving import home_in

SITE = "shop"
ENDPOINT = f"POST {HOSTILE}"
CONFIG = """
[plugins.entities]
sample = {sample}

[[plugins.checks.check]]
name = "our-own-port"
every = "1d"
probe = {{ type = "tcp", host = "127.0.0.1", port = 9 }}

[plugins.buffer]
TRANSACTION_RETRY_DELAY = 0.05

[[plugins.buffer.site]]
name = "shop"
redis = {redis}
dsn = {dsn}

[[plugins.buffer.site.statement]]
name = "order.add"
sql = "insert into orders (number) values (%(number)s)"
parameters = {{ number = "int" }}
"""


@dataclass
class Place:
    """A server with pages of entities, checks and a site, its console, and what stands behind the site."""

    console: Console
    url: str
    database: MainDatabase

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            asked = connection.execute(query.encode())
            return asked.fetchall() if asked.description else []

    async def write(self, *numbers: int, endpoint: str = "POST /orders", key: str = "") -> None:
        """Each number its own transaction."""
        async with BufferClient(self.url, SITE) as buffer:
            for number in numbers:
                await buffer.submit(endpoint, [Statement("order.add", parameters={"number": number})], key=key)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("plugins")
    with home_in(folder) as home:
        home.path.mkdir(mode=0o700)
        async with valkey(home.path) as url, main_database(home.path / "shop") as database:
            texts = {"sample": str(folder / "entities"), "redis": url, "dsn": database.dsn}
            config = CONFIG.format(**{name: json.dumps(text) for name, text in texts.items()})
            (home.path / "windlass.toml").write_text(config)
            await asyncio.to_thread(home.serve)
            made = Place(start_console(home, folder), url, database)
            made.ask("create table orders (number int primary key)")
            yield made
            await asyncio.to_thread(home.close)


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, place: Place) -> AsyncIterator[Page]:
    async with browsing(browser, place.console, place.console.token) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(place: Place) -> AsyncIterator[Client]:
    async with place.console.client() as made:
        yield made


async def test_any_plugin_gets_a_page_with_what_it_reads_and_forms_for_what_it_does(
    page: Page, place: Place, client: Client
) -> None:
    await page.goto(f"{place.console.url}/plugins")
    await expect(page.get_by_role("row", name="backups")).to_contain_text("works")
    await good_looks(page, "plugins")
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Checks").click()
    await expect(page.get_by_role("row", name="our-own-port")).to_contain_text("127.0.0.1:9")
    await good_looks(page, "plugin")
    await page.get_by_role("link", name="Run a check now").click()
    await page.get_by_role("button", name="Run a check now").click()
    await expect(page.locator("#fields .wrong")).to_have_text("Is required")
    await page.get_by_label("Name").fill("our-own-port")
    await page.get_by_role("button", name="Run a check now").click()
    await accessible(page)
    await confirmed(page, "Run a check now", "to see it <b>now</b>")
    await page.locator("#notice").get_by_role("link").wait_for()
    assert [entry.resource async for entry in client.access.audit(filter='reason = "to see it <b>now</b>"')]
    await page.goto(f"{place.console.url}/plugins/checks/show?argument.name=no-such-check")
    await page.get_by_text("nothing is known of a check").first.wait_for()
    await page.goto(f"{place.console.url}/plugins/checks/show?argument.name=our-own-port")
    await expect(page.get_by_role("table")).to_contain_text("connection refused")
    await expect(page.locator("main")).to_contain_text("127.0.0.1:9")
    await good_looks(page, "plugin-operation")


async def test_entities_shows_pages_drawn_for_people_and_has_them_made_anew(
    page: Page, place: Place, client: Client
) -> None:
    await page.goto(f"{place.console.url}/entities")
    await expect(page.locator("#section")).to_contain_text("145 countries")
    await good_looks(page, "entities")
    await page.get_by_label("Country or ASN").fill("as13335")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("AS13335 Cloudflare")
    await page.goto(f"{place.console.url}/entities/countries/FI")
    await expect(page.get_by_role("region", name="ASNs")).to_contain_text("AS")
    await good_looks(page, "entity")
    await page.get_by_role("button", name="Rebuild this page").click()
    await expect(page.get_by_role("dialog")).to_contain_text("FI")
    await confirmed(page, "Rebuild pages", "a test")
    task = await page.locator("#notice").get_by_role("link").inner_text()
    assert (await client.result(int(task), 20)) is not None
    await page.goto(f"{place.console.url}/entities/asns?q=google")
    await expect(page.locator("#rows")).to_contain_text("AS15169")
    await good_looks(page, "entity-list")
    await page.get_by_label("Search").fill("no such asn")
    await page.get_by_text("Nothing matches").wait_for()
    await expect(page).to_have_url(f"{place.console.url}/entities/asns?q=no+such+asn")


async def test_findings_are_listed_with_the_smallest_repair_and_go_when_it_was_done(
    page: Page, place: Place, client: Client
) -> None:
    root = place.console.home.path.parent / "entities" / "root"
    damaged = root / "current" / "public" / "countries" / "FI.json"
    damaged.unlink()
    asked = await client.operations.call("entities.check")
    await page.goto(f"{place.console.url}/entities")
    await client.result(asked["task"], 20)
    row = page.get_by_role("row", name="countries/FI.json")
    await expect(row).to_contain_text("detail_missing", timeout=3000)
    await good_looks(page, "entities-findings")
    await row.get_by_role("button").click()
    await confirmed(page, "Rebuild pages")
    await page.locator("#notice").get_by_role("link").wait_for()
    task = int(await page.locator("#notice").get_by_role("link").inner_text())
    await client.result(task, 20)
    assert damaged.exists()
    await page.get_by_role("button", name="Check all").click()
    await confirmed(page, "Check all pages")
    await page.get_by_text("All is well: the last check found nothing.").wait_for()


async def test_the_buffer_shows_sites_live_and_has_dead_letters_requeued_and_dropped(
    page: Page, place: Place, client: Client
) -> None:
    await place.write(1, 2)
    await page.goto(f"{place.console.url}/buffer")
    await page.get_by_text("There are no dead letters.").wait_for()
    await place.write(1, endpoint=ENDPOINT, key="k")
    await place.write(2, 2)
    row = page.get_by_role("row", name=SITE).first
    await expect(row.get_by_role("cell").nth(3)).to_have_text("3", timeout=6000)
    await page.reload()
    letters = page.get_by_role("region", name="Dead letters")
    await expect(letters.locator("tbody tr")).to_have_count(3)
    await letters.get_by_text(ENDPOINT).wait_for()
    await page.locator("#chart-depth canvas").wait_for()
    await good_looks(page, "buffer")
    await letters.locator("tr", has_text=ENDPOINT).get_by_role("link").click()
    await page.get_by_text("order.add").wait_for()
    await good_looks(page, "buffer-letter")
    await page.go_back()
    place.ask("delete from orders where number = 1")
    await letters.locator("tr", has_text=ENDPOINT).get_by_role("button", name="Requeue").click()
    await confirmed(page, "Requeue dead letters", "repaired")
    await expect(letters.locator("tbody tr")).to_have_count(2)
    await page.get_by_label("Error holds").fill("duplicate key")
    await page.get_by_role("button", name="Filter").click()
    await page.get_by_role("button", name="Drop all that match").click()
    await expect(page.get_by_role("dialog").get_by_role("table")).to_contain_text("2")
    await accessible(page)
    await confirmed(page, "Drop dead letters")
    await page.get_by_text("No dead letter matches.").wait_for()
    await page.goto(f"{place.console.url}/buffer")
    await place.database.stop()
    await place.write(7)
    await expect(row).to_contain_text("database away", timeout=10000)
    await place.database.start()
    await expect(row).to_contain_text("idle", timeout=10000)
    assert place.ask("select number from orders order by number") == [(1,), (2,), (7,)]


async def test_a_viewer_is_offered_nothing_that_changes(browser: Browser, place: Place) -> None:
    await place.write(1)
    async with browsing(browser, place.console, await place.console.token_for(Role.VIEWER)) as page:
        for path in ("/entities", "/entities/countries/SE", "/buffer"):
            await page.goto(f"{place.console.url}{path}")
            await page.locator("main h2").first.wait_for()
            assert await page.locator("main [hx-post]").count() == 0
        await page.goto(f"{place.console.url}/plugins/buffer/drop")
        await page.get_by_text("It needs the role operator; yours is viewer.").wait_for()
        assert await page.get_by_role("button", name="Drop dead letters").count() == 0
        assert await post(page, "/plugins/buffer/drop/call", {"argument": '{"all": true}'}) == 409
