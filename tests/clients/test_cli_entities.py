"""`windlass entities …` against a real server with a real tree: the pages of the sample."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from windlass.store.port import Store

from tests.clients.command_line import CommandLine
from tests.control.calling import TOKEN, Calling, calling
from tests.waiting import eventually

SAMPLE = Path(str(files("windlass_entities"))) / "sample"


def settings(folder: Path) -> dict[str, Any]:
    (folder / "root").mkdir()
    shutil.copytree(SAMPLE / "feeds" / "wave1", folder / "feeds")
    paths = {"feeds": folder / "feeds", "root": folder / "root", "catalogue": SAMPLE / "feeds" / "catalog.json"}
    paths |= {"countries": SAMPLE / "geo" / "country-ipv4.csv.gz", "asns": SAMPLE / "geo" / "asn-ipv4.csv.gz"}
    return {name: str(path) for name, path in paths.items()} | {"watch": False}


@pytest_asyncio.fixture
async def root(dsn: str, store: Store, tmp_path: Path) -> AsyncIterator[tuple[Path, Calling]]:
    """A server with a tree that is built."""
    async with calling(dsn, store, settings={"entities": settings(tmp_path)}) as server:
        await eventually((tmp_path / "root" / "current").exists, 60)
        yield tmp_path / "root", server


@pytest.fixture
def windlass(root: tuple[Path, Calling]) -> CommandLine:
    return CommandLine(WINDLASS_ADDRESS=root[1].address, WINDLASS_TOKEN=TOKEN)


async def test_pages_are_shown_to_people_and_as_their_own_bytes(
    windlass: CommandLine, root: tuple[Path, Calling]
) -> None:
    page = root[0] / "current" / "public" / "countries" / "US.json"
    people, programs, asn, feed = await asyncio.gather(
        windlass.run("entities", "show", "US"),
        windlass.run("entities", "show", "US", "-o", "json"),
        windlass.run("entities", "show", "as13335"),
        windlass.run("entities", "show", "openai"),
    )
    assert programs.out == page.read_bytes()
    lines = people.text.splitlines()
    assert lines[0] == "Country US"
    totals = json.loads(page.read_bytes())["totals"]
    assert lines[1].startswith(f"{totals['attributed_ips']:,} addresses on feeds, of {totals['addresses']:,}, ")
    assert [line for line in lines if line in ("Feeds", "Categories", "Maintainers", "ASNs")] == [
        "Feeds",
        "Categories",
        "Maintainers",
        "ASNs",
    ]
    assert asn.text.startswith("AS13335 ")
    assert "Countries" in asn.text.splitlines()
    assert "unique_ips: " in feed.text


async def test_a_page_that_is_lost_is_found_and_brought_back(windlass: CommandLine, root: tuple[Path, Calling]) -> None:
    page = root[0] / "current" / "public" / "countries" / "US.json"
    before = page.read_bytes()
    page.unlink()
    checked = await windlass.run("entities", "check", "--wait")
    assert checked.code == 0, checked
    found = await windlass.run("entities", "findings")
    assert "detail_missing" in found.text
    assert "public/countries/US.json" in found.text
    assert found.errors.startswith("1 finding in generation 1, checked ")
    [line] = json.loads((await windlass.run("entities", "findings", "--kind", "detail_missing", "-o", "json")).out)
    assert line["target"] == "public/countries/US.json"
    repaired = await windlass.run("entities", "repair", "--wait", "--yes")
    assert (repaired.code, page.read_bytes()) == (0, before), repaired


async def test_rebuilds_are_of_all_or_of_some(windlass: CommandLine) -> None:
    every, some, moved = await asyncio.gather(
        windlass.run("entities", "rebuild", "--yes", "-o", "json"),
        windlass.run("entities", "rebuild", "--country", "us", "--asn", "AS13335", "--feed", "openai", "--wait"),
        windlass.run("entities", "transitions"),
    )
    assert json.loads(every.out)["joined"] is False
    assert some.code == 0, some
    assert some.text.startswith("made task ")
    assert moved.errors == "No feed has moved from one health class to another.\n"


async def test_what_has_a_page_is_listed_and_found(windlass: CommandLine, root: tuple[Path, Calling]) -> None:
    public = root[0] / "current" / "public"
    countries, asns, first, found, feeds, nothing = await asyncio.gather(
        windlass.run("entities", "list", "countries", "-o", "json"),
        windlass.run("entities", "list", "asns", "--limit", "0", "-o", "jsonl"),
        windlass.run("entities", "list", "asns", "--limit", "2"),
        windlass.run("entities", "list", "asns", "--contains", "as13335"),
        windlass.run("entities", "list", "feeds"),
        windlass.run("entities", "list", "countries", "--contains", "QQ"),
    )
    index = json.loads((public / "countries" / "index.json").read_text())["countries"]
    assert [line["key"] for line in json.loads(countries.out)] == [each["code"] for each in index][:100]
    every = [str(each["asn"]) for each in json.loads((public / "asns" / "index.json").read_text())["asns"]]
    assert len(every) > 250, "they take more than one page"
    assert [json.loads(line)["key"] for line in asns.text.splitlines()] == every
    assert f"AS{every[1]} " in first.text
    assert f"AS{every[2]} " not in first.text
    assert first.errors == "… and more; --limit shows them\n"
    assert [line.split()[0] for line in found.text.splitlines() if line.startswith("AS1")] == ["AS13335"]
    assert "openai" in feeds.text
    assert "healthy" in feeds.text
    assert (nothing.code, nothing.errors) == (0, "No such country has a page.\n")


async def test_what_goes_wrong_is_one_line_and_an_exit_code(windlass: CommandLine) -> None:
    wrong = {
        ("rebuild",): (2, "add --yes"),
        ("repair",): (2, "add --yes"),
        ("rebuild", "--asn", "google"): (6, "'google' is no ASN: write AS13335 or 13335"),
        ("show", "QQ"): (7, "no feed has an address in QQ"),
        ("show", "nobody"): (7, "there is no feed nobody in the catalogue"),
        ("rebuild", "--country", "Germany"): (6, "countries"),
    }
    ended = await asyncio.gather(*(windlass.run("entities", *words) for words in wrong))
    for (code, says), each in zip(wrong.values(), ended, strict=True):
        assert (each.code, each.errors.count("\n")) == (code, 1), each
        assert says in each.errors


async def test_where_nothing_is_configured_it_says_what_to_set(operator: CommandLine, kernel: Calling) -> None:
    ended = await operator.run("entities", "check")
    assert ended.code == 7
    assert "set feeds, catalogue, countries, asns and root in [plugins.entities]" in ended.errors
