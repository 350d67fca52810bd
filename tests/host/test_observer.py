"""What a node tells of itself: whether it is fit for work, and its numbers; also when the database is silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from windlass import Context, HealthGauge, HealthSection, Outcome, Success, hookimpl, telemetry
from windlass.host.observer import STORE_SECONDS, Observer
from windlass.store.port import Store
from windlass.store.postgres import open_store
from windlass.telemetry import prometheus
from windlass.telemetry.measuring import Distribution, Family, Meters

from tests.chaos.proxy import Proxy
from tests.contract.facts import new_task
from tests.host.rig import Rig
from tests.host.test_leases import QUICK, expire
from tests.waiting import eventually

left_behind: ContextVar[str] = ContextVar("left_behind", default="")


@pytest.fixture
def meters(monkeypatch: pytest.MonkeyPatch) -> Meters:
    made = Meters()
    monkeypatch.setattr(telemetry, "meters", made)
    return made


@pytest.fixture
async def far(dsn: str) -> AsyncIterator[tuple[Store, Proxy]]:
    """A store behind a proxy that can be made to go silent."""
    parts = conninfo_to_dict(dsn)
    proxy = Proxy(f"{parts['host']}/.s.PGSQL.{parts['port']}")
    await proxy.start()
    opened = await open_store(make_conninfo(dsn, host="127.0.0.1", port=proxy.port), connections=4)
    yield opened, proxy
    proxy.heal()
    await opened.close()
    await proxy.stop()


def values(families: list[Family], name: str) -> dict[tuple[str, ...], float]:
    """One metric's numbers by the values of its labels; of a distribution, how many it has."""
    [family] = [family for family in families if family.name == name]
    return {
        tuple(point.labels.values()): sum(point.value.counts) if isinstance(point.value, Distribution) else point.value
        for point in family.points
    }


async def test_a_node_is_fit_for_work_until_it_drains(rig: Rig) -> None:
    kernel = await rig.start()
    observer = Observer(kernel, rig.store, lambda: 0)
    assert await observer.hindrance() == ""
    await kernel.drain()
    assert await observer.hindrance() == "it drains"


async def test_a_drained_node_is_not_fit_for_work_until_it_is_resumed(rig: Rig) -> None:
    kernel = await rig.start()
    observer = Observer(kernel, rig.store, lambda: 0)
    epoch = kernel.node._may_claim()
    assert epoch is not None
    for is_drained, words in ((True, "it is drained until somebody resumes it"), (False, "")):
        await rig.store.cluster.drain(epoch, draining=is_drained)

        async def says(words: str = words) -> bool:
            return await observer.hindrance() == words

        await eventually(says)


async def test_a_silent_database_is_told_within_its_deadline_and_so_is_its_return(
    rig: Rig, far: tuple[Store, Proxy]
) -> None:
    store, proxy = far
    kernel = await rig.start()
    observer = Observer(kernel, store, lambda: 0)
    assert await observer.hindrance() == ""
    proxy.freeze()

    async def hindered() -> str:
        asked = time.monotonic()
        hindrance = await observer.hindrance()
        assert time.monotonic() - asked < STORE_SECONDS + 1
        return hindrance

    assert "the store does not answer" in await eventually(hindered)
    many = await asyncio.gather(*(observer.hindrance() for _ in range(20)))
    assert all(many), "they share one question"
    families = await observer.families()
    assert values(families, "windlass.node.ready") == {(): 1}
    assert "windlass.queue.depth" in {family.name for family in families}, "the kernel's own store answers"
    proxy.thaw()

    async def is_fit() -> bool:
        return not await observer.hindrance()

    await eventually(is_fit, 20)


async def test_what_happens_to_tasks_is_counted_once_and_timed(rig: Rig, meters: Meters) -> None:
    async def publishes(ctx: Context) -> Outcome:
        async with ctx.lane("pages"):
            return Success()

    kernel = await rig.start()
    observer = Observer(kernel, rig.store, lambda: 3)
    for _ in range(2):
        await rig.ended(await rig.enqueue(publishes))
    await kernel.enqueuer.enqueue(new_task(kind="Play", delay=3600.0))
    await kernel.node.completer.settled()
    families = await observer.families()
    assert values(families, "windlass.attempts.ended") == {("windlass", "Play", "default", "succeeded"): 2}
    assert values(families, "messaging.process.duration") == {("windlass", "Play", "success"): 2}
    assert values(families, "windlass.pickup.duration") == {("default",): 2}
    assert values(families, "windlass.lane.wait.duration") == {("pages",): 2}
    assert values(families, "messaging.client.operation.duration") == {("windlass",): 1}
    assert values(families, "windlass.queue.deferred") == {(): 1}
    assert values(families, "windlass.pool.slots")["default",] == 4
    assert values(families, "windlass.streams.open") == {(): 3}
    assert values(families, "db.client.connection.max") == {("windlass",): 6}
    assert (values(families, "windlass.drain.waiting"), values(families, "windlass.drain.lag")) == ({(): 0}, {(): 0.0})


class Told:
    @hookimpl
    async def windlass_health(self) -> HealthSection:
        gauges = [HealthGauge("depth", float(depth), {"site": site}) for site, depth in (("east", 3), ("west", 5))]
        return HealthSection(
            "T", probe={"status": "mine", "depth": 8}, gauges=[*gauges, HealthGauge("age", 1.5, {}, "s")]
        )


async def test_what_plugins_measure_stands_in_the_metrics_and_beside_the_status(rig: Rig) -> None:
    kernel = await rig.start(plugins={"on-air": Told()})
    observer = Observer(kernel, rig.store, lambda: 0)
    families = await observer.families()
    assert values(families, "windlass.plugin.on_air.depth") == {("east",): 3, ("west",): 5}
    assert values(families, "windlass.plugin.on_air.age") == {(): 1.5}
    page = prometheus.text(families).decode()
    assert 'windlass_plugin_on_air_depth{site="west"} 5.0' in page
    assert "windlass_plugin_on_air_age_seconds 1.5" in page
    assert await observer.beside() == {"status": "mine", "depth": 8}


async def test_a_lost_lease_is_counted(rig: Rig) -> None:
    kernel = await rig.start(**QUICK)
    observer = Observer(kernel, rig.store, lambda: 0)
    expire(rig)
    await eventually(lambda: kernel.node.lease_losses == 1)
    assert values(await observer.families(), "windlass.lease.losses") == {(): 1}


async def test_what_a_handler_leaves_in_its_context_is_not_in_the_next_attempts(rig: Rig) -> None:
    seen: list[str] = []

    async def leaves(ctx: Context) -> Outcome:
        seen.append(left_behind.get())
        left_behind.set(f"by task {ctx.task.id}")
        return Success()

    # One slot, and a backlog that is claimed ahead: attempts are started by the end of the one before.
    tasks = [await rig.enqueue(leaves) for _ in range(300)]
    await rig.start(slots=1)
    await eventually(lambda: len(seen) == len(tasks))
    assert set(seen) == {""}
