"""A real node keeps pages of the sample right: from nothing, and as feeds change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from windlass.store.port import Store

from tests.plugins.entities.running import Place, maintained


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Place:
    found = Place(tmp_path, data)
    found.wave(1)
    return found


async def test_at_the_first_start_the_tree_is_built(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place) as entities:
        built = await entities.done("RebuildEntities", "startup")
        assert place.standing.generation == 1
        print(await entities.stages(built.name))
        print([step.text for step in await entities.steps(built.name)])
        print(json.loads(built.result.data))
        print(await entities.section())
        print((await entities.call("show", country="US"))["text"][:300])
        assert 0
