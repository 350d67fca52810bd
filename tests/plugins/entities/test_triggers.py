"""Why pages are refreshed: a feed or a class changed, a server started or read its settings, somebody asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import windlass_entities
from windlass.store.port import Store
from windlass.testing import Harness

from tests.control.calling import State
from tests.plugins.entities.running import Place, maintained
from tests.waiting import eventually


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Place:
    found = Place(tmp_path, data)
    found.wave(1)
    return found


async def accepted(place: Place, feed: str) -> None:
    """Until the pages were made of its file as it is now."""
    size = place.size(feed)

    def look() -> bool:
        source = place.standing.facts[feed].source
        return source is not None and source.size == size

    await eventually(look, 30)


async def test_a_feed_that_changes_is_noticed_and_its_pages_are_refreshed(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place, watch=True) as entities:
        await entities.done("RebuildEntities")
        place.wave(2, "openai")
        await accepted(place, "openai")
        task = await entities.done("RefreshEntities", "feed_update")
        assert task.parent
        assert (await entities.server.get(task.parent)).kind == "WatchFeeds"
        (place.feeds / "telegram.netset").unlink()
        await eventually(lambda: place.standing.facts["telegram"].health == "unavailable", 30)


async def test_a_burst_of_files_is_at_most_two_runs(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place, watch=True) as entities:
        await entities.done("RebuildEntities")
        await entities.idle()
        before = len(await entities.tasks("RefreshEntities"))
        for number in (3, 1, 2, 3, 1, 2):
            place.wave(
                number, "openai", "telegram", "cloudflare", "microsoft", "tor_exits", "x4b_vpn", "x4b_datacenter"
            )
        place.wave(2)
        await accepted(place, "openai")
        await eventually(lambda: place.standing.facts["ipsum_l5"].health == "unavailable", 30)
        await entities.idle()
        assert len(await entities.tasks("RefreshEntities")) - before <= 2
        rebuilt = await entities.call("rebuild")
        assert not (await entities.succeeded(f"tasks/{rebuilt['task']}"))["published"]


async def test_the_catalogue_is_an_input_too(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place, watch=True) as entities:
        await entities.done("RebuildEntities")
        catalogue = json.loads(place.catalogue.read_text())
        catalogue["openai"]["category"] = "robots"
        del catalogue["telegram"]
        place.catalogue.write_text(json.dumps(catalogue))
        await eventually(lambda: place.standing.facts["openai"].category == "robots", 30)
        assert "telegram" not in place.standing.facts
        place.catalogue.write_text("{")
        task = await entities.done("RefreshEntities", "feed_update")

        async def said() -> bool:
            return any("the feeds stay as they were" in step.text for step in await entities.steps(task.parent))

        await eventually(said, 30)
        assert len(place.standing.facts) == len(catalogue)


async def test_what_a_pass_that_failed_has_left_undone_is_found_again(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place, watch=True, rescan=1) as entities:
        await entities.done("RebuildEntities")
        await entities.idle()
        async with entities.held():
            place.wave(2, "openai", "microsoft")
            lost = await entities.under_way("RefreshEntities")
            await entities.interrupt(lost)
            assert (await entities.ended(lost)).state == State.STATE_CANCELED
        await accepted(place, "openai")


async def test_the_watcher_finds_what_changed_while_nobody_watched(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.idle()
    place.wave(2, "openai")
    async with maintained(dsn, store, place, watch=True) as entities:
        await accepted(place, "openai")
        await entities.done("RefreshEntities", "feed_update")


async def test_a_class_that_moved_with_the_time_is_published_for_that_reason(
    dsn: str, store: Store, place: Place
) -> None:
    place.age("openai", days=1)
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.idle()
        quiet = await entities.server.enqueue("LookAtHealth", {})
        assert await entities.succeeded(quiet) == {"moved": []}
    thresholds = {"grace": 0, "delayed": 60, "risky": 60 * 48, "archived": 60 * 72}
    own = {"entities": place.settings(thresholds=thresholds)}
    async with Harness(windlass_entities, settings=own) as harness:
        looked = await harness.run("LookAtHealth", {})
    [child] = looked.assert_succeeded({"moved": ["openai"]}).children
    assert (child.kind, child.wishes["trigger"]) == ("RefreshHealth", "health_transition")
    async with maintained(dsn, store, place, thresholds=thresholds, health_every=1) as entities:
        task = await entities.done("RefreshHealth", "health_transition")
        await entities.done("LookAtHealth", "schedule")
        assert place.standing.facts["openai"].health == "delayed"
        [moved] = [each for each in (await entities.call("transitions"))["transitions"] if each["feed"] == "openai"]
        assert (moved["before"], moved["after"]) == ("healthy", "delayed")
        lines = {line.name: line.value for line in (await entities.section()).lines}
        assert lines["openai"].startswith("healthy → delayed, ")
        assert "delayed" in lines["feeds"]
        assert task.coalesce_key == "entities"


async def test_a_reload_has_the_pages_checked_again(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.reload()
        await entities.done("CheckEntities", "config_reload")


async def test_who_asks_is_an_operator(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        for operation, kind in {
            "check": "CheckEntities",
            "rebuild": "RebuildEntities",
            "repair": "RepairEntities",
        }.items():
            await entities.call(operation)
            await entities.done(kind, "operator")
