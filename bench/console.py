"""How soon the console's pages are there with much behind them, what they weigh, and what a hundred open ones cost."""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import windlass_console
from playwright.sync_api import Browser, sync_playwright
from windlass_client import Client

from bench.measures import Row
from bench.stocked import Site, stocked

HISTORY = 10_000_000
WAITING = 100_000
TIMES = 60
PAINTS = 5
WATCHERS = 100
LOOKED_AT = 10.0
PER_SECOND = 10
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
NEVER_SENT = (".LICENSE", ".md", "SHA256SUMS")


def console(dsn: str, rows: int = HISTORY) -> list[Row]:
    """Beside so many tasks that have ended, and 100,000 that wait."""
    with (
        tempfile.TemporaryDirectory(prefix="windlass-bench-") as folder,
        stocked(dsn, Path(folder) / "home", history=rows, waiting=WAITING) as site,
    ):
        pages = _pages(site)
        found = [_served(site, page, rows) for page in pages]
        found += _painted(site, pages)
        found.append(_weight())
        return found + asyncio.run(_watched(site))


MEASURES: dict[str, Callable[[str], list[Row]]] = {"console": console}


# --- which pages there are


def _pages(site: Site) -> list[str]:
    """Those in the list of pages, those of a task, and lists that were asked for something."""
    line = site.line()
    first = _read(line, site, "/")[1]
    navs = re.findall(r'href="(/[^"]*)"', first.split('<nav class="pages"')[1].split("</nav>")[0])
    older = re.search(r'rel="next" href="([^"]+)"', _read(line, site, "/history")[1])
    asked = ["state=FAILED", "origin=user", "by=person-7", "kind=Check&within=24h", "search=tasks/1000"]
    pages = [*navs, *(f"/history?{query}" for query in asked), f"/tasks/{site.task}", f"/tasks/{site.task}/log"]
    pages += [f"/active?filter={quote('priority >= 10')}"]
    if older:
        pages.append(older[1].replace("&amp;", "&"))
    known = [page for page in dict.fromkeys(pages) if _read(line, site, page)[0] != 404]
    line.close()
    return known


def _read(line: HTTPConnection, site: Site, page: str) -> tuple[int, str]:
    line.request("GET", page, headers=site.headers)
    answer = line.getresponse()
    body = answer.read()
    if answer.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return answer.status, body.decode()


def _name(page: str) -> str:
    """A page token says nothing to who reads the table."""
    return re.sub(r"page=[^&]+", "page=2", page)


# --- pages


def _served(site: Site, page: str, rows: int) -> Row:
    """One after the other on a kept connection, to the last byte."""
    line, took = site.line(), []
    for _ in range(TIMES):
        began = time.perf_counter()
        line.request("GET", page, headers=site.headers)
        answer = line.getresponse()
        answer.read()
        took.append((time.perf_counter() - began) * 1000)
    line.close()
    cuts = statistics.quantiles(took, n=20)
    note = f"p50 {cuts[9]:.1f} ms; {rows:,} ended, {WAITING:,} wait"
    if answer.status != 200:
        note = f"ANSWERED WITH {answer.status}; {note}"
    return Row(f"console: {_name(page)}", cuts[18], "ms p95", note)


def _painted(site: Site, pages: list[str]) -> list[Row]:
    """With the assets in the browser's cache, as on every page but the first."""
    program = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if program is None:
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            return [_paint(browser, site, page) for page in pages]
        finally:
            browser.close()


def _paint(browser: Browser, site: Site, page: str) -> Row:
    name, _, value = site.cookie.partition("=")
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        context.add_cookies([{"name": name, "value": value, "url": site.url}])
        tab, took = context.new_page(), []
        for _ in range(PAINTS + 1):
            tab.goto(site.url + page)
            took.append(float(tab.wait_for_function(PAINTED).json_value()))
    first, *later = took
    note = f"worst of {PAINTS} {max(later):.0f} ms; with an empty cache {first:.0f} ms"
    return Row(f"first paint: {_name(page)}", statistics.median(later), "ms", note)


def _weight() -> Row:
    """What a browser that saw every page has loaded."""
    static = Path(windlass_console.__file__).parent / "static"
    files = [file for file in static.rglob("*") if file.is_file() and not file.name.endswith(NEVER_SENT)]
    packed = sum(len(gzip.compress(file.read_bytes())) for file in files)
    return Row("console: all assets, compressed", packed / 1000, "kB", f"{len(files)} files")


# --- a hundred open consoles


async def _watched(site: Site) -> list[Row]:
    """While nothing happens, and while ten tasks a second come and go."""
    alone = site.streams()
    readers = [asyncio.create_task(_listen(site)) for _ in range(WATCHERS)]
    await asyncio.sleep(2)
    many = site.streams()
    idle = await _busy(site)
    async with Client.connect(site.address, site.token) as client:
        worker = asyncio.create_task(_come_and_go(client))
        await asyncio.sleep(2)
        busy = await _busy(site)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    for reader in readers:
        reader.cancel()
    told = [answer for answer in await asyncio.gather(*readers, return_exceptions=True) if isinstance(answer, int)]
    assert len(told) == WATCHERS, f"{WATCHERS - len(told)} of {WATCHERS} streams ended before they were let go"
    heard = f"each heard {statistics.mean(told):.0f} hints"
    return [
        Row(f"{WATCHERS} open consoles: the console, nothing happens", idle, "% core"),
        Row(f"{WATCHERS} open consoles: the console, {PER_SECOND} tasks/s", busy, "% core", heard),
        Row(f"{WATCHERS} open consoles: streams at the server", many, "streams", f"{alone} before the first one"),
    ]


async def _listen(site: Site) -> int:
    """How often it was told something, when it is cancelled."""
    place, told = urlsplit(site.url), 0
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(f"GET /live HTTP/1.1\r\nhost: {place.netloc}\r\ncookie: {site.cookie}\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            told += line.startswith(b"event: hint")
        raise ConnectionError("the console ended the stream")
    except asyncio.CancelledError:
        return told
    finally:
        writer.close()


async def _busy(site: Site) -> float:
    """Percent of a core."""
    before = sum(site.console.cpu_times()[:2])
    await asyncio.sleep(LOOKED_AT)
    return 100 * (sum(site.console.cpu_times()[:2]) - before) / LOOKED_AT


async def _come_and_go(client: Client) -> None:
    """Each goes as the next one comes: the queue's first page changes with both."""
    while True:
        handle = await client.enqueue("ExecuteScript", {"script": "true"}, title="comes and goes", priority=50)
        await asyncio.sleep(1 / PER_SECOND)
        await client.interrupt(handle.id, "bench")
