"""A real node keeps pages of real feeds right: from nothing, and whatever changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from windlass.store.port import Store

from tests.plugins.entities.running import Entities, Place, maintained


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Place:
    found = Place(tmp_path, data)
    found.wave(1)
    return found


@pytest.fixture
async def entities(dsn: str, store: Store, place: Place) -> AsyncIterator[Entities]:
    """With a tree that is built, and nobody who watches."""
    async with maintained(dsn, store, place) as found:
        await found.done("RebuildEntities", "startup")
        yield found


async def test_from_nothing_the_tree_is_built_at_the_first_start_and_everybody_can_see_it(entities: Entities) -> None:
    built = await entities.done("RebuildEntities", "startup")
    assert entities.place.standing.generation == json.loads(built.result.data)["generation"] == 1
    assert await entities.stages(built.name) == [
        "planning",
        "bootstrap",
        "scanning memberships",
        "rebuilding final payloads",
        "publishing",
        "clean",
    ]
    shown = await entities.call("show", country="US")
    assert shown["text"] == (entities.place.root / "current" / shown["path"]).read_text()
    section = await entities.section()
    assert section.summary.startswith("generation 1, ")
    lines = {line.name: line.value for line in section.lines}
    assert f"by task {built.name.removeprefix('tasks/')} (RebuildEntities, startup)" in lines["published"]
    assert (await entities.call("transitions"))["transitions"] == []


async def test_a_feed_that_changed_is_refreshed_and_one_with_other_lines_is_not_published(entities: Entities) -> None:
    place = entities.place
    place.wave(2, "openai")
    task = await entities.server.enqueue("RefreshEntities", {"feeds": ["openai"]})
    result = await entities.succeeded(task)
    assert result["published"]
    assert place.standing.generation == 2
    lines = (place.feeds / "openai.netset").read_bytes().splitlines(keepends=True)
    place.write("openai", b"# the same in another order\n" + b"".join(reversed(lines)))
    again = await entities.server.enqueue("RefreshEntities", {"feeds": ["openai"]})
    assert await entities.succeeded(again) == {"published": False, "generation": 2}
    assert (await entities.stages(again))[-1] == "clean"


async def test_fifty_feed_updates_in_a_burst_are_at_most_two_runs(entities: Entities) -> None:
    place = entities.place
    place.wave(2)
    names = sorted(place.standing.facts)
    asked = [names[number % len(names)] for number in range(50)]
    made = await asyncio.gather(*(entities.server.enqueue("RefreshEntities", {"feeds": [feed]}) for feed in asked))
    for name in set(made):
        await entities.ended(name)
    runs = await entities.tasks("RefreshEntities")
    assert 1 <= len(runs) <= 2
    assert {task.name for task in runs} == set(made)
    changed = {feed for feed, facts in place.standing.facts.items() if facts.unavailable}
    assert changed == {"ipsum_l5"}
    await entities.is_right()


async def test_rebuilds_that_are_asked_for_while_one_runs_are_told_that_they_joined(entities: Entities) -> None:
    entities.place.wave(2)
    async with entities.held():
        first = await entities.call("rebuild")
        assert not first["joined"]
        await entities.at_stage(f"tasks/{first['task']}", "waiting for entity artifact writer")
        others = [await entities.call("rebuild") for _ in range(2)]
        assert others == [{"task": first["task"], "joined": True}] * 2
    assert (await entities.succeeded(f"tasks/{first['task']}"))["generation"] == 2


async def test_what_was_computed_on_an_older_generation_is_computed_again_in_the_lane(entities: Entities) -> None:
    entities.place.wave(2, "openai", "x4b_vpn")
    await entities.slots(2)
    async with entities.held():
        rebuild = f"tasks/{(await entities.call('rebuild', feeds=['x4b_vpn']))['task']}"
        await entities.at_stage(rebuild, "waiting for entity artifact writer")
        refresh = await entities.server.enqueue("RefreshEntities", {"feeds": ["openai"]})
        await entities.at_stage(refresh, "waiting for entity artifact writer")
    assert (await entities.succeeded(rebuild))["generation"] == 2
    assert (await entities.succeeded(refresh))["generation"] == 3
    steps = [step.text for step in await entities.steps(refresh)]
    assert "computed from generation 1, and generation 2 is current: it is computed again on top of that" in steps
    await entities.is_right()


async def test_a_page_that_is_lost_is_found_and_repaired_and_a_repair_with_nothing_to_do_is_clean(
    entities: Entities,
) -> None:
    page = entities.place.root / "current" / "public" / "countries" / "US.json"
    before = page.read_bytes()
    page.unlink()
    checked = await entities.call("check")
    assert (await entities.succeeded(f"tasks/{checked['task']}"))["findings"] == {"detail_missing": 1}
    found = await entities.call("findings", kind="detail_missing")
    assert [(each["kind"], each["target"]) for each in found["findings"]] == [
        ("detail_missing", "public/countries/US.json")
    ]
    assert (await entities.call("findings", target="asns"))["findings"] == []
    assert not page.exists()
    repaired = await entities.call("repair")
    assert (await entities.succeeded(f"tasks/{repaired['task']}"))["published"]
    assert page.read_bytes() == before
    again = await entities.call("repair")
    assert not (await entities.succeeded(f"tasks/{again['task']}"))["published"]
    assert (await entities.stages(f"tasks/{again['task']}"))[-1] == "clean"


async def test_selected_pages_are_rebuilt_and_what_is_asked_meanwhile_is_one_more_run(entities: Entities) -> None:
    page = entities.place.root / "current" / "public" / "countries" / "DE.json"
    before = page.read_bytes()
    page.chmod(0o644)
    page.write_bytes(b"{}\n")
    made = await entities.call("rebuild", countries=["DE"])
    await entities.succeeded(f"tasks/{made['task']}")
    assert page.read_bytes() == before


async def test_what_is_not_there_is_said_with_what_to_do(entities: Entities) -> None:
    for argument, words in {
        "country": ("QQ", "no feed has an address in QQ"),
        "asn": (64_512, "no feed has an address in AS64512"),
        "feed": ("nobody", "there is no feed nobody in the catalogue"),
    }.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await entities.call("show", **{argument: words[0]})
        assert words[1] in str(refused.value.details())
    with pytest.raises(grpc.aio.AioRpcError, match="name one page"):
        await entities.call("show", country="US", asn=1)


async def test_a_page_that_can_not_be_read_is_named_with_what_mends_it(entities: Entities) -> None:
    page = entities.place.root / "current" / "public" / "countries" / "US.json"
    whole = page.read_bytes()
    for harm in ("torn", "folder"):
        page.unlink()
        if harm == "torn":
            page.write_bytes(b"\xff" + whole)
        else:
            page.mkdir()
        with pytest.raises(grpc.aio.AioRpcError, match=r"US\.json can't be read .* entities\.repair mends it"):
            await entities.call("show", country="US")
    await entities.succeeded(f"tasks/{(await entities.call('repair'))['task']}")
    assert (await entities.call("show", country="US"))["text"].encode() == whole


async def test_pages_and_feeds_are_listed_a_part_at_a_time_as_the_published_index_has_them(entities: Entities) -> None:
    public = entities.place.root / "current" / "public"
    for sort, key in (("countries", "code"), ("asns", "asn")):
        index = json.loads((public / sort / "index.json").read_text())[sort]
        listed: list[str] = []
        after = ""
        while page := await entities.call("list", of=sort, after=after, limit=70):
            listed += [line["key"] for line in page["entities"]]
            if not (after := page["next"]):
                break
        assert listed == [str(each[key]) for each in index]
    found = (await entities.call("list", of="asns", contains="GOOGLE"))["entities"]
    assert found
    assert all("google" in line["name"].casefold() for line in found)
    assert [line["key"] for line in (await entities.call("list", of="asns", contains="as13335"))["entities"]] == [
        "13335"
    ]
    feeds = (await entities.call("list", of="feeds"))["entities"]
    assert [line["key"] for line in feeds] == sorted(line["key"] for line in feeds)
    assert {line["health"] for line in feeds} == {"healthy"}
    assert (await entities.call("list", of="feeds", contains="openai", limit=1))["next"] == ""
