"""Whoever begins to lead takes back at once what was lost while nobody led."""

from __future__ import annotations

from collections.abc import Callable

from windlass.core.lifecycle import State
from windlass.host.maintenance.leadership import Leadership
from windlass.store.port import Store

from tests.contract.facts import LEASE, expire, leader, node_of, running, state_of


def leadership(store: Store, node: int, on_recovered: Callable[[], None]) -> Leadership:
    return Leadership(store.cluster, lambda: node, lambda _: False, store.cluster.recover, on_recovered, lambda _: None)


async def test_the_work_of_a_lost_leader_is_back_with_the_first_beat_of_the_next(store: Store) -> None:
    lost, next_ = await node_of(store), await node_of(store)
    await leader(store, lost, LEASE)
    task = await running(store, lost)
    told: list[int] = []
    following = leadership(store, next_, lambda: told.append(1))
    await following.beat()
    assert following.membership() is None
    assert await state_of(store, task.id) is State.RUNNING
    expire(store, lost)
    await following.beat()
    assert following.membership() is not None
    assert await state_of(store, task.id) is State.PENDING
    assert told == [1]


async def test_a_leader_that_goes_on_leading_leaves_the_sweep_to_the_recoverer(store: Store) -> None:
    lost, leads = await node_of(store), await node_of(store)
    goes_on = leadership(store, leads, lambda: None)
    await goes_on.beat()
    task = await running(store, lost)
    expire(store, lost)
    await goes_on.beat()
    assert await state_of(store, task.id) is State.RUNNING
