"""What a check finds is mended by the smallest task that can, or left alone and shown when it is too much."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from windlass.store.port import Store

from tests.plugins.entities.running import Place, maintained


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Place:
    found = Place(tmp_path, data)
    found.wave(1)
    return found


async def built(dsn: str, store: Store, place: Place) -> None:
    """A tree, and nobody there."""
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.idle()


async def test_at_a_start_what_is_damaged_is_repaired(dsn: str, store: Store, place: Place) -> None:
    await built(dsn, store, place)
    page = place.root / "current" / "public" / "countries" / "DE.json"
    before = page.read_bytes()
    page.chmod(0o644)
    page.write_bytes(b"{")
    async with maintained(dsn, store, place) as entities:
        repaired = await entities.done("RepairEntities", "startup")
        assert page.read_bytes() == before
        assert "repairing" in await entities.stages(repaired.name)
        await entities.is_right()


async def test_too_much_is_left_alone_and_shown_until_somebody_asks(dsn: str, store: Store, place: Place) -> None:
    await built(dsn, store, place)
    pages = sorted((place.root / "current" / "public" / "countries").glob("[A-Z]*.json"))[:3]
    for page in pages:
        page.unlink()
    async with maintained(dsn, store, place, deferred_limit=2) as entities:
        checked = await entities.done("CheckEntities", "startup")
        assert (await entities.stages(checked.name))[-1] == "deferred"
        assert await entities.tasks("RepairEntities") == []
        assert (await entities.call("findings"))["deferred"] == 3
        [line] = [line for line in (await entities.section()).lines if line.name == "deferred"]
        assert line.is_alarming
        assert line.value == "3 targets, too many to be repaired unasked: windlass entities repair"
        asked = await entities.call("repair")
        await entities.succeeded(f"tasks/{asked['task']}")
        assert all(page.exists() for page in pages)


async def test_a_tree_of_another_schema_or_none_is_built_anew(dsn: str, store: Store, place: Place) -> None:
    await built(dsn, store, place)
    marker = place.root / "current" / "public" / "version.json"
    marker.chmod(0o644)
    marker.write_text('{"schema_version":999}\n')
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.idle()
        assert (await entities.call("findings"))["counts"] == {"version_mismatch": 1}
        await entities.is_right()
    for path in place.root.iterdir():
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    async with maintained(dsn, store, place) as entities:
        await entities.done("CheckEntities", "startup")
        await entities.idle()
        await entities.is_right()


async def test_a_feed_without_its_file_is_looked_at_again_beside_the_maintenance(
    dsn: str, store: Store, place: Place
) -> None:
    await built(dsn, store, place)
    (place.feeds / "telegram.netset").unlink()
    async with maintained(dsn, store, place) as entities:
        lost = await entities.server.enqueue("RefreshEntities", {"feeds": ["telegram"]})
        await entities.succeeded(lost)
        unique = place.standing.facts["telegram"].unique_ips
        assert unique
        await entities.idle()
    async with maintained(dsn, store, place, recheck_pause=0.2) as entities:
        task = await entities.made("RecheckFeed", "startup")
        assert (task.pool, task.title) == ("feeds", "look at telegram again")
        assert "absent" in await entities.said(task.name, "telegram: absent")
        place.wave(1, "telegram")
        refreshed = await entities.done("RefreshEntities", "startup")
        assert refreshed.pool == "maintenance"
        assert place.standing.facts["telegram"].health != "unavailable"


async def test_a_kept_input_that_is_damaged_is_accepted_anew_beside_the_maintenance(
    dsn: str, store: Store, place: Place
) -> None:
    await built(dsn, store, place)
    kept = place.root / "current" / "private" / "feeds" / "openai.coverage"
    before = kept.read_bytes()
    kept.chmod(0o644)
    kept.write_bytes(b"rubbish")
    async with maintained(dsn, store, place) as entities:
        task = await entities.done("ReprocessFeed", "startup")
        assert task.pool == "feeds"
        assert await entities.tasks("RepairEntities") == []
        assert (place.root / "current" / "private" / "feeds" / "openai.coverage").read_bytes() == before
        await entities.is_right()


async def test_a_feed_that_is_new_in_the_catalogue_is_taken_at_the_next_check(
    dsn: str, store: Store, place: Place
) -> None:
    catalogue = place.catalogue.read_text()
    place.without("openai")
    await built(dsn, store, place)
    assert "openai" not in place.standing.facts
    place.catalogue.write_text(catalogue)
    async with maintained(dsn, store, place) as entities:
        await entities.done("RepairEntities", "startup")
        assert place.standing.facts["openai"].unique_ips
        await entities.is_right()
