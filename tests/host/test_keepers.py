"""The services that keep a store small: only for the leader, at their own pace, and configured in days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf

import pytest
from windlass.config import RetentionConfig
from windlass.core.lifecycle import State, Verdict
from windlass.host.maintenance import pruner, roller, vacuumer
from windlass.host.maintenance.keepers import keepers, retention
from windlass.host.service import Service
from windlass.store.facts import Membership
from windlass.store.port import Store
from windlass.store.upkeep import Retention

from tests.contract.facts import ended, held, leader, node_of, stored
from tests.waiting import eventually

ALWAYS = 1e-9
"""Days; over as soon as one looks."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roller, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(roller, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(vacuumer, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pruner, "PASS_SECONDS", 0.01)
    monkeypatch.setattr(pruner, "PAGE_PAUSE", 0.0)
    monkeypatch.setattr(pruner, "PAGE", 2)


@pytest.fixture
async def node(store: Store) -> int:
    return await node_of(store)


class Keeping:
    """The services of one node; `membership` is set while it leads."""

    def __init__(self, store: Store, config: RetentionConfig) -> None:
        self.membership: Membership | None = None
        self.services: list[Service] = keepers(store, lambda: self.membership, config)
        for service in self.services:
            service.start()

    async def stop(self) -> None:
        await asyncio.gather(*(service.stop() for service in self.services))


@pytest.fixture
async def keeping(store: Store) -> AsyncIterator[Keeping]:
    config = RetentionConfig(history=1.0, completed=ALWAYS, requests=ALWAYS, partition=ALWAYS)
    made = Keeping(store, config)
    yield made
    await made.stop()


async def over(store: Store, node: int, verdict: Verdict = Verdict.SUCCESS) -> int:
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, verdict)])
    return claimed.id


async def test_the_leader_rolls_and_prunes(store: Store, node: int, keeping: Keeping) -> None:
    good = [await over(store, node) for _ in range(5)]
    bad = await over(store, node, Verdict.FAILED)
    keeping.membership = await leader(store, node)

    async def are_gone() -> bool:
        return not any([await store.library.task(task) for task in good])

    async def has_rolled() -> bool:
        return (await stored(store))[0] >= 1_000_000

    await eventually(are_gone)
    await eventually(has_rolled)
    assert await store.library.task(bad) is not None


async def test_a_node_that_does_not_lead_keeps_its_hands_off(store: Store, node: int, keeping: Keeping) -> None:
    task = await over(store, node)
    looks = 0

    def looked() -> Membership | None:
        nonlocal looks
        looks += 1
        return None

    for service in keeping.services:
        service._membership = looked  # type: ignore[attr-defined]
    await eventually(lambda: looks > 20)
    assert await store.library.task(task) is not None
    assert await stored(store) == [task + 1]


async def test_history_that_is_over_is_dropped_by_the_set(store: Store, node: int) -> None:
    keeping = Keeping(store, RetentionConfig(history=ALWAYS, partition=ALWAYS))
    task = await over(store, node)
    keeping.membership = await leader(store, node)

    async def is_gone() -> bool:
        return await store.library.task(task) is None

    await eventually(is_gone)
    await keeping.stop()


def test_days_become_seconds_and_what_is_not_said_is_not_kept_for_less() -> None:
    assert retention(RetentionConfig()) == Retention(30 * 86_400.0)
    assert retention(RetentionConfig()).is_uniform
    config = RetentionConfig(history=inf, failed=2.0, kinds={"Noop": 0.5})
    assert retention(config) == Retention(inf, {State.FAILED: 172_800.0}, {"Noop": 43_200.0})
