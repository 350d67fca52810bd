"""Publications are one at a time; a worker that is killed at any stage leaves a whole tree, and its task goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from windlass.failpoints import LOG, VARIABLE
from windlass.store.port import Store
from windlass_entities import integrity
from windlass_proto.v1 import task_pb2

from tests.plugins.entities.running import Entities, Place, maintained
from tests.waiting import eventually

SOON = task_pb2.RetryPolicy(attempts=5, pause=Duration(nanos=50_000_000))
WAITING = "waiting for entity artifact writer"
STAGES = [
    "planning",
    "scanning-memberships",
    "rebuilding-final-payloads",
    "publishing",
    "placed",
    "synced",
    "switched",
    "clean",
]
if "WINDLASS_TEST_EVERY_STAGE" not in os.environ:
    STAGES = ["scanning-memberships", "publishing", "placed", "switched"]


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Place:
    found = Place(tmp_path, data)
    found.wave(1)
    return found


async def test_with_four_slots_publications_never_overlap(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.idle()
        await entities.slots(4)
        made: list[str] = []
        for number in (2, 3, 1, 2):
            place.wave(number, "openai", "microsoft", "x4b_vpn")
            (place.root / "current" / "public" / "countries" / "US.json").unlink()
            asked = await asyncio.gather(
                entities.server.enqueue("RefreshEntities", {"feeds": ["openai", "microsoft"]}),
                entities.call("rebuild"),
                entities.call("rebuild", feeds=["x4b_vpn"]),
                entities.call("repair"),
            )
            made += [asked[0], *(f"tasks/{each['task']}" for each in asked[1:])]
            await asyncio.gather(*(entities.ended(name) for name in set(made)))
        spans = [span for name in dict.fromkeys(made) for span in await published(entities, name)]
        assert len(spans) >= 4
        for (_, ended, _), (began, _, _) in pairwise(sorted(spans)):
            assert ended <= began
        fences = [fence for _, _, fence in sorted(spans)]
        assert fences == sorted(set(fences))
        assert integrity.look(place.root) == []


async def published(entities: Entities, name: str) -> list[tuple[float, float, int]]:
    """When a task began to publish and when it was done, and with which fence."""
    spans, began = [], 0.0
    for event in await entities.server.watched(name):
        if event.stage == "publishing":
            began = event.time.ToMicroseconds() / 1e6
        if event.WhichOneof("body") == "step" and event.step.text.startswith("generation "):
            spans.append((began, event.time.ToMicroseconds() / 1e6, json.loads(event.step.data.data)["fence"]))
    return spans


async def test_a_worker_that_is_killed_at_any_stage_is_replaced_and_the_tree_is_whole(
    dsn: str, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.idle()
        for number, stage in enumerate(STAGES):
            wave = (2, 3, 1)[number % 3]
            place.wave(wave)
            log = tmp_path / f"killed-at-{stage}"
            monkeypatch.setenv(LOG, str(log))
            monkeypatch.setenv(VARIABLE, f"entities.{stage}=pause:20")
            await entities.end_workers()
            feeds = {"feeds": sorted(place.standing.facts)}
            task = await entities.server.enqueue("RefreshEntities", feeds, retry=SOON)
            await eventually(log.exists, 30)
            monkeypatch.delenv(VARIABLE)
            assert integrity.look(place.root) == [], stage
            os.kill(json.loads(log.read_text().splitlines()[0])["pid"], signal.SIGKILL)
            await entities.succeeded(task)
            assert (await entities.server.get(task)).attempt == 2, stage
            await entities.is_right()
            assert list((place.root / "staging").iterdir()) == [], stage
            published = {line.name: line.value for line in (await entities.section()).lines}["published"]
            assert f"by task {task.removeprefix('tasks/')} (RefreshEntities" in published, stage


async def test_killed_while_it_waits_for_the_lane_it_waits_again(dsn: str, store: Store, place: Place) -> None:
    async with maintained(dsn, store, place) as entities:
        await entities.done("RebuildEntities", "startup")
        await entities.idle()
        place.wave(2)
        async with entities.held():
            feeds = {"feeds": sorted(place.standing.facts)}
            task = await entities.server.enqueue("RefreshEntities", feeds, retry=SOON)
            await entities.at_stage(task, WAITING)
            entities.kill_worker()
            await eventually(lambda: entities.attempt(task, 2), 30)
            await entities.at_stage(task, WAITING)
        await entities.succeeded(task)
        await entities.is_right()


async def test_killed_while_the_first_tree_is_built_it_is_built_again(
    dsn: str, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "killed"
    monkeypatch.setenv(LOG, str(log))
    monkeypatch.setenv(VARIABLE, "entities.bootstrap=pause:20")
    async with maintained(dsn, store, place) as entities:
        await eventually(log.exists, 30)
        monkeypatch.delenv(VARIABLE)
        assert not (place.root / "current").exists()
        os.kill(json.loads(log.read_text().splitlines()[0])["pid"], signal.SIGKILL)
        assert (await entities.done("RebuildEntities", "startup")).attempt == 2
        await entities.is_right()
