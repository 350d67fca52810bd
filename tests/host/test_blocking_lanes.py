"""Lanes for handlers that are not on the event loop: in threads, and in worker processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from windlass.core.lifecycle import State

from tests.host.rig import Rig, asked
from tests.host.test_children import PUBLISHING, STEP, WITHIN, result, scene
from tests.host.test_executors import processes
from tests.host.test_lanes import LANE, _holder_is, lane_of, waits
from tests.waiting import eventually

STAGE = 2
BLOCKING = pytest.mark.parametrize("kind", ["ThreadScene", "ProcessScene"])
ALL_KINDS = pytest.mark.parametrize("kind", ["ThreadScene", "ProcessScene", "AsyncScene"])


class Door:
    """Who is inside stays there until it is open."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def open(self) -> None:
        self.file.touch()


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path / "open")


async def in_line(rig: Rig, kind: str, door: Door, count: int) -> list[int]:
    """So many publishers, one inside and the others before it in this order."""
    tasks: list[int] = []
    for _ in range(count):
        tasks.append(await scene(rig, "publishes", kind, file=door.file))
        await eventually(lambda: _holder_is(rig, tasks[0]), WITHIN)
        await waits(rig, *tasks[1:])
    return tasks


@ALL_KINDS
async def test_blocking_handlers_publish_one_at_a_time_in_the_order_they_came(rig: Rig, kind: str, door: Door) -> None:
    await rig.start(plugins=PUBLISHING)
    tasks = await in_line(rig, kind, door, 3)
    door.open()
    assert [(await result(rig, task))["fence"] for task in tasks] == [1, 2, 3]


@BLOCKING
async def test_one_that_waits_shows_it_as_its_stage_and_the_earlier_one_comes_back(
    rig: Rig, kind: str, door: Door
) -> None:
    await rig.start(plugins=PUBLISHING)
    first, second = await in_line(rig, kind, door, 2)

    async def shows_it() -> bool:
        return (await rig.task(second)).stage == "waiting for entity artifact writer"

    await eventually(shows_it)
    door.open()
    await result(rig, second)
    assert await rig.texts(first, STAGE) == ["computing"]
    assert await rig.texts(second, STAGE) == ["computing", "waiting for entity artifact writer", "computing"]


@BLOCKING
async def test_what_a_lane_refuses_is_refused_in_a_blocking_handler_too(rig: Rig, kind: str) -> None:
    await rig.start(plugins=PUBLISHING)
    assert await result(rig, await scene(rig, "is_refused", kind)) == [
        1,
        1,
        "lane 'two': this task is already at lane 'one'; leave that first",
        "AttemptSuperseded",
        "a lane's name is tex",
        "a lane's name is tex",
    ]


async def test_one_that_is_asked_to_end_while_it_waits_may_go_on(rig: Rig, door: Door) -> None:
    kernel = await rig.start(plugins=PUBLISHING)
    [first] = await in_line(rig, "ProcessScene", door, 1)
    patient = await scene(rig, "publishes", "PatientScene", file=door.file)
    await waits(rig, patient)
    await kernel.interrupt(asked(patient))
    door.open()
    assert (await result(rig, first))["fence"] == 1
    facts = await rig.ended(patient, WITHIN)
    assert (facts.state, facts.message) == (State.CANCELED, "interrupted by ada; it ended when asked")
    assert await rig.texts(patient, STEP) == [f"published {LANE}"]


@ALL_KINDS
async def test_one_that_is_raised_in_while_it_waits_gives_its_place_up(rig: Rig, kind: str, door: Door) -> None:
    kernel = await rig.start(plugins=PUBLISHING)
    first, second, third = await in_line(rig, kind, door, 3)
    await kernel.interrupt(asked(second))
    facts = await rig.ended(second, WITHIN)
    assert (facts.state, facts.message) == (State.CANCELED, "interrupted by ada; it was cancelled")
    await waits(rig, third)
    door.open()
    assert [(await result(rig, task))["fence"] for task in (first, third)] == [1, 2]


@BLOCKING
async def test_the_place_is_given_up_while_the_handler_still_catches_its_interrupt(
    rig: Rig, kind: str, door: Door, tmp_path: Path
) -> None:
    caught = Door(tmp_path / "caught")
    kernel = await rig.start(plugins=PUBLISHING)
    await in_line(rig, kind, door, 1)
    waiter = await scene(rig, "catches_its_interrupt", kind, file=caught.file)
    await waits(rig, waiter)
    await kernel.interrupt(asked(waiter))
    await waits(rig)
    assert (await rig.task(waiter)).state is State.CANCELLING
    caught.open()
    assert (await rig.ended(waiter, WITHIN)).state is State.CANCELED
    door.open()


async def test_a_worker_that_dies_inside_leaves_the_lane_to_the_next(rig: Rig, door: Door) -> None:
    await rig.start(plugins=PUBLISHING)
    door.open()
    dies = await rig.ended(await scene(rig, "dies_inside", "ProcessScene"), WITHIN)
    assert "the worker process exited with code 7" in (dies.message or "")
    assert rig.execute("select task from windlass.lane") == [(None,)], "its end was handed in before it left"
    assert (await result(rig, await scene(rig, "publishes", "ProcessScene", file=door.file)))["fence"] == 2


async def test_a_worker_that_dies_inside_has_left_when_its_task_is_tidied_up(rig: Rig) -> None:
    await rig.start(plugins=PUBLISHING)
    task = await scene(rig, "dies_inside", "TidyScene")
    await rig.ended(task, WITHIN)
    assert await rig.texts(task, STEP) == ["tidied up inside"]


async def test_a_worker_that_is_killed_in_line_gives_its_place_up(rig: Rig, door: Door) -> None:
    kernel = await rig.start(plugins=PUBLISHING)
    _, second, third = await in_line(rig, "ProcessScene", door, 3)
    running = {attempt.ctx.task.id: worker for attempt, worker in processes(kernel)._running.items()}
    worker = running[second]
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    assert "killed by SIGKILL" in ((await rig.ended(second, WITHIN)).message or "")
    await waits(rig, third)
    door.open()
    assert (await result(rig, third))["fence"] == 2


@BLOCKING
async def test_one_whose_task_is_anothers_is_refused_by_its_check(rig: Rig, kind: str, door: Door) -> None:
    kernel = await rig.start(plugins=PUBLISHING)
    [task] = await in_line(rig, kind, door, 1)
    rig.execute("update windlass.running set attempt = attempt + 1")
    door.open()
    await eventually(lambda: not kernel.node._executions, WITHIN)
    assert await rig.texts(task, STEP) == []


async def test_threads_of_one_handler_ask_beside_each_other(rig: Rig, door: Door) -> None:
    await rig.start(plugins=PUBLISHING)
    for kind in ("ThreadScene", "ProcessScene"):
        task = await scene(rig, "talks_from_two_threads", kind)
        assert await result(rig, task) is None
        assert await rig.texts(task, STEP) == ["made while the other waits"]


async def test_a_thread_left_waiting_keeps_neither_the_lane_nor_the_worker(rig: Rig, door: Door) -> None:
    kernel = await rig.start(plugins=PUBLISHING)
    [first] = await in_line(rig, "ProcessScene", door, 1)
    await result(rig, await scene(rig, "leaves_a_thread_waiting", "ProcessScene"))
    assert processes(kernel).warm == [], "a worker with a thread left behind was kept"
    assert (await lane_of(rig.store)).waiters == ()
    door.open()
    await result(rig, first)
