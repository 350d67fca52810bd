"""Simulated histories: the real node code, a virtual clock, faults from a seed, and the invariants after every step."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from windlass.errors import StoreUnavailable
from windlass.host.lanes import LiveLane
from windlass.host.maintenance.scheduler import Scheduler
from windlass.store.lanes import Entrant, Turn
from windlass.store.memory.lanes import MemoryLanes
from windlass.store.memory.queue import MemoryQueue
from windlass.store.memory.residents import MemoryResidents
from windlass.store.memory.schedules import MemorySchedules
from windlass.store.schedules import Firing
from windlass.testing.simulation import simulate
from windlass.testing.simulation.violation import Violation

SEEDS = int(os.environ.get("SEEDS", "12"))
FIRST = int(os.environ.get("FIRST_SEED") or 0) or random.randrange(1_000_000)


def simulate_many(seeds: int) -> None:
    for seed in range(FIRST, FIRST + seeds):
        simulate(seed)


def test_every_history_keeps_every_invariant_and_drains() -> None:
    faults: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + SEEDS):
        try:
            report = simulate(seed)
        except BaseException as error:
            error.add_note(f"see it again with: make sim SEEDS=1 FIRST_SEED={seed}")
            raise
        assert report.tasks > 100
        faults += report.faults
    happened = ("kill", "stall", "terminate", "lost attempts", "returned", "canceled running", "canceled waiting")
    rare = ("new leader", "answer lost", "refused", "ticks skipped", "residents back", "published", "publisher refused")
    gates = ("joined pending", "joined running", "expired", "missed dependency", "pause", "resize", "drain")
    assert all(faults[fault] for fault in (*happened, *rare, *gates)), f"void: {faults}"


def test_the_same_seed_gives_the_same_trace() -> None:
    assert simulate(FIRST).trace == simulate(FIRST).trace


def test_another_seed_gives_another_trace() -> None:
    assert simulate(FIRST).digest != simulate(FIRST + 1).digest


def test_a_finish_without_its_fence_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def unfenced(self: MemoryQueue, node: int, task: int, attempt: int) -> object:
        return self._world.running.get(task)

    monkeypatch.setattr(MemoryQueue, "_held", unfenced)
    with pytest.raises(Violation, match=r"I[46]"):
        simulate_many(3 * SEEDS)


def test_a_claim_whose_lost_answer_nobody_asks_for_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: MemoryQueue, node: int, pool: str, known: object) -> list[object]:
        return []

    monkeypatch.setattr(MemoryQueue, "reclaim", nothing)
    with pytest.raises(Violation, match="liveness"):
        simulate_many(3 * SEEDS)


def test_a_firing_that_stores_tasks_and_forgets_their_ticks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def torn(self: MemorySchedules, membership: object, firing: Firing) -> None:
        await self._queue.enqueue(firing.tasks)
        raise StoreUnavailable("torn")

    monkeypatch.setattr(MemorySchedules, "fire", torn)
    with pytest.raises(Violation, match="was made by a schedule, and nothing names it"):
        simulate_many(SEEDS)


def test_a_tick_that_nobody_decides_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(self: Scheduler, membership: object) -> float:
        return 3.0

    monkeypatch.setattr(Scheduler, "_round", idle)
    with pytest.raises(Violation, match="nobody decided the tick"):
        simulate_many(SEEDS)


def test_a_resident_that_is_made_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryResidents, "_is_idle", lambda *_: True)
    with pytest.raises(Violation, match="tasks live at once"):
        simulate_many(SEEDS)


async def _passes(self: LiveLane) -> None:
    """A check that asks nobody."""


def test_a_publisher_that_does_not_check_its_fence_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveLane, "check", _passes)
    with pytest.raises(Violation, match=r"I10: .* passed a check although"):
        simulate_many(3 * SEEDS)


def test_a_lane_that_is_taken_from_a_living_holder_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryLanes, "_holder", lambda self, lane: None)
    with pytest.raises(Violation, match="I10: at once inside"):
        simulate_many(3 * SEEDS)


def test_a_fence_that_is_given_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    entering = MemoryLanes.enter

    async def enter(self: MemoryLanes, entrant: Entrant) -> Turn:
        turn = await entering(self, entrant)
        return turn if turn.fence is None else Turn((turn.fence + 1) // 2, 0, turn.holder)

    monkeypatch.setattr(MemoryLanes, "enter", enter)
    with pytest.raises(Violation, match=r"I10: .*was given to"):
        simulate_many(3 * SEEDS)
