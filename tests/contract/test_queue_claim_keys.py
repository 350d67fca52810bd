"""The Queue contract: a claim holds the limit of a concurrency key by itself, whatever came to be claimable."""

from __future__ import annotations

from windlass.store.port import Store

from tests.contract.facts import SHORT, claim, ended, held, leader, node_of, stored
from tests.waiting import eventually


async def test_a_task_that_becomes_due_while_its_key_is_full_waits_for_a_slot(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    first = await held(store, node, slot_key="k", slot_limit=1)
    [later] = await stored(store, delay=SHORT, slot_key="k", slot_limit=1)

    async def is_due() -> bool:
        promoted = await store.queue.promote(membership, 10)
        return promoted is not None and promoted.moved == 1

    await eventually(is_due)
    assert await claim(store, node) == []
    await store.queue.finish(node, [ended(first)])
    assert await store.queue.release() == 1
    assert [claimed.id for claimed in await claim(store, node)] == [later]
