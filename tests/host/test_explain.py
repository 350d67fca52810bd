"""Explain with a real node: each gate alone, and nothing once the task may run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from windlass.core import claiming
from windlass.core.explain import Gate, GateKind
from windlass.errors import TaskNotFound
from windlass.handler import Concurrency
from windlass.host.kernel import Kernel
from windlass.store.facts import NodeFacts

from tests.contract.facts import new_task
from tests.host.gated import Works, ask
from tests.host.rig import Rig, asked
from tests.waiting import eventually


class Scene:
    """One node with two slots."""

    def __init__(self, rig: Rig, kernel: Kernel, works: Works) -> None:
        self.rig, self.kernel, self.works = rig, kernel, works

    async def runs(self, kind: str = "OnHost", **asked: Any) -> int:
        """A task that has started and stays."""
        receipt = await ask(self.kernel, kind, **asked)
        await eventually(lambda: receipt.task in self.works.running)
        return receipt.task

    async def waits(self, kind: str = "OnHost", **asked: Any) -> int:
        return (await ask(self.kernel, kind, **asked)).task

    async def gate(self, task: int) -> Gate:
        """The only one."""
        [gate] = await self.kernel.explain(task)
        return gate

    async def opens(self, task: int) -> None:
        """The task runs, and then nothing is to be explained."""
        await eventually(lambda: task in self.works.running)

        async def is_told() -> bool:
            return not await self.kernel.explain(task)

        await eventually(is_told)


@pytest.fixture(autouse=True)
def _nothing_is_claimed_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a node has claimed already waits for other reasons."""
    monkeypatch.setattr(claiming, "AHEAD_SECONDS", 0.0)


@pytest_asyncio.fixture
async def scene(rig: Rig) -> AsyncIterator[Scene]:
    works = Works()
    kernel = await rig.start(slots=2, plugins={"gates": works})
    await rig.shared(2)
    yield Scene(rig, kernel, works)
    works.gate.set()


async def test_what_it_waits_for(scene: Scene) -> None:
    other = await scene.runs(tree="1")
    task = await scene.waits(tree="2", after=(other,))
    gate = await scene.gate(task)
    assert (gate.kind, gate.tasks) == (GateKind.DEPENDENCIES, (other,))
    await scene.kernel.interrupt(asked(other))
    await scene.opens(task)


async def test_the_twin_it_follows(scene: Scene) -> None:
    twin = await scene.runs("Refresh")
    task = await scene.waits("Refresh")
    gate = await scene.gate(task)
    assert (gate.kind, gate.tasks) == (GateKind.TWIN, (twin,))
    await scene.kernel.interrupt(asked(twin))
    await scene.opens(task)


async def test_its_time(scene: Scene) -> None:
    task = await scene.waits(delay=3600.0)
    gate = await scene.gate(task)
    assert (gate.kind, gate.why) == (GateKind.NOT_DUE, "it is due in 60 min")


async def test_a_paused_kind(scene: Scene) -> None:
    await scene.rig.store.pools.pause_kind("OnHost", "eve", "")
    task = await scene.waits()
    gate = await scene.gate(task)
    assert (gate.kind, gate.why) == (GateKind.KIND_PAUSED, "kind OnHost was paused by eve")
    await scene.rig.store.pools.resume_kind("OnHost")
    scene.kernel.node.look()
    await scene.opens(task)


async def test_a_paused_pool(scene: Scene) -> None:
    await scene.rig.store.pools.pause_pool("default", "eve", "")
    task = await scene.waits()
    gate = await scene.gate(task)
    assert (gate.kind, gate.why) == (GateKind.POOL_PAUSED, "pool default was paused by eve")
    await scene.rig.store.pools.resume_pool("default")
    scene.kernel.node.look()
    await scene.opens(task)


async def test_a_kind_that_no_node_has(scene: Scene) -> None:
    [receipt] = await scene.rig.store.queue.enqueue([new_task(kind="Unknown")])
    gate = await scene.gate(receipt.task)
    assert (gate.kind, gate.why) == (GateKind.NO_NODE, "none of the 1 live nodes has kind Unknown")


async def test_a_busy_key(scene: Scene) -> None:
    holder = await scene.runs(concurrency=Concurrency("s"))
    task = await scene.waits(concurrency=Concurrency("s"))
    gate = await scene.gate(task)
    assert (gate.kind, gate.tasks) == (GateKind.KEY_BUSY, (holder,))
    await scene.kernel.interrupt(asked(holder))
    await scene.opens(task)


async def test_a_full_pool(scene: Scene) -> None:
    busy = [await scene.runs(tree=tree) for tree in ("1", "2")]
    task = await scene.waits(tree="3")
    gate = await scene.gate(task)
    assert (gate.kind, gate.tasks) == (GateKind.POOL_FULL, tuple(busy))
    await scene.kernel.interrupt(asked(busy[0]))
    await scene.opens(task)


async def test_a_pool_that_no_node_serves(scene: Scene) -> None:
    [receipt] = await scene.rig.store.queue.enqueue([new_task(kind="OnHost", pool="nowhere")])
    gate = await scene.gate(receipt.task)
    assert (gate.kind, gate.why) == (GateKind.POOL_FULL, "there is no pool nowhere")


async def test_others_before_it(scene: Scene) -> None:
    for tree in ("1", "2"):
        await scene.runs(tree=tree)
    await scene.waits(tree="3")
    task = await scene.waits(tree="4")
    gates = await scene.kernel.explain(task)
    assert [gate.kind for gate in gates] == [GateKind.POOL_FULL, GateKind.AHEAD]
    assert gates[1].why == "1 task comes before it in pool default (its priority is 5)"
    await scene.rig.store.queue.reprioritize(task, 9)
    assert [gate.kind for gate in await scene.kernel.explain(task)] == [GateKind.POOL_FULL]


async def test_a_claim_that_has_not_started(scene: Scene) -> None:
    node = await scene.rig.store.cluster.join(NodeFacts("host/2", "m", 2, 1, ("Elsewhere",)), 30.0)
    [receipt] = await scene.rig.store.queue.enqueue([new_task(kind="Elsewhere")])
    [claimed] = await scene.rig.store.queue.claim(node, "default", ["Elsewhere"], 1)
    assert claimed.id == receipt.task
    assert (await scene.gate(receipt.task)).kind is GateKind.CLAIMED


async def test_what_is_over_needs_no_reason_and_what_never_was_has_none(scene: Scene) -> None:
    scene.works.gate.set()
    task = await scene.waits()
    await scene.rig.ended(task)
    assert await scene.kernel.explain(task) == []
    with pytest.raises(TaskNotFound):
        await scene.kernel.explain(999_999)
