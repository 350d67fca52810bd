"""What a browser loads: little, ours, as it was vendored; and every page is readable by everybody, at any width."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import windlass_console
from playwright.async_api import Page, expect

from tests.console.browsing import CHOOSE, THEMES, Console, accessible, no_sideways_scrolling

STATIC = Path(windlass_console.__file__).parent / "static"
NEVER_SENT = (".LICENSE", ".md", "SHA256SUMS")
MOST_BYTES = 150_000


async def test_what_is_vendored_is_what_was_recorded_with_its_licence() -> None:
    vendor = STATIC / "vendor"
    recorded = {name: digest for digest, name in map(str.split, (vendor / "SHA256SUMS").read_text().splitlines())}
    found = {file.name for file in vendor.iterdir() if not file.name.endswith(NEVER_SENT)}
    assert found == set(recorded)
    for name, digest in recorded.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name
        assert (vendor / f"{name.split('.')[0]}.LICENSE").exists(), name


async def test_all_assets_together_are_small_when_compressed() -> None:
    files = [file for file in STATIC.rglob("*") if file.is_file() and not file.name.endswith(NEVER_SENT)]
    packed = {file.name: len(gzip.compress(file.read_bytes())) for file in files}
    assert sum(packed.values()) <= MOST_BYTES, packed


@pytest.mark.timeout(300)  # two dozen looks of axe, each a second of a processor
async def test_every_page_is_ours_alone_readable_in_both_themes_and_fits_a_phone(page: Page, console: Console) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    links = page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link")
    await expect(links.first).to_be_visible()
    addresses = [await link.get_attribute("href") for link in await links.all()]
    assert "/history" in addresses
    for address in addresses:
        answer = await page.goto(f"{console.url}{address}")
        assert answer is not None
        assert answer.status == 200, address
        await expect(page.locator("h1")).to_have_count(1)
        for theme in THEMES:
            await page.evaluate(CHOOSE, theme)
            try:
                await accessible(page)
            except AssertionError as error:
                raise AssertionError(f"{address} ({theme}): {error}") from error
        try:
            await no_sideways_scrolling(page)
        except AssertionError as error:
            raise AssertionError(f"{address} at 380 px: {error}") from error
    assert hosts - {""} == {urlsplit(console.url).netloc}


async def test_an_asset_is_sent_packed_once_and_not_again_and_nothing_else_is_sent(console: Console) -> None:
    line = http.client.HTTPConnection(urlsplit(console.url).netloc, timeout=10)

    def read(name: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        line.request("GET", f"/static/{name}", headers={each.replace("_", "-"): said for each, said in headers.items()})
        answer = line.getresponse()
        return answer, answer.read()

    packed, body = read("app.js?v=1", accept_encoding="gzip")
    assert (packed.status, packed.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert gzip.decompress(body) == (STATIC / "app.js").read_bytes()
    assert "immutable" in packed.headers["cache-control"]
    plain, body = read("app.js")
    assert (plain.headers.get("content-encoding"), body) == (None, (STATIC / "app.js").read_bytes())
    assert plain.headers["cache-control"] == "no-store", "an address without a mark may mean something else tomorrow"
    assert read("app.js", if_none_match=packed.headers["etag"])[0].status == 304
    for name in ("", "nothing.js", "../settings.py", "%2e%2e/settings.py", "vendor"):
        assert read(name)[0].status == 404, name
    line.close()


async def test_an_answer_is_sent_at_once(console: Console) -> None:
    """Not after the 40 ms in which a system waits for more to send with it; on a new connection it does not yet."""
    line, took = http.client.HTTPConnection(urlsplit(console.url).netloc, timeout=10), []
    for _ in range(60):
        began = time.perf_counter()
        line.request("GET", "/sign-in")
        line.getresponse().read()
        took.append(time.perf_counter() - began)
    line.close()
    assert min(took[40:]) < 0.03
