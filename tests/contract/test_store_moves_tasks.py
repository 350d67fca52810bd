"""The Queue contract: how tasks move."""

from __future__ import annotations

from tests.contract.facts import new_task, node_of
from windlass.store.port import Store


async def test_an_enqueued_task_is_claimed_once(store: Store) -> None:
    node = await node_of(store)
    [receipt] = await store.queue.enqueue([new_task()])
    [claimed] = await store.queue.claim(node, "default", ["Noop"], 10)
    assert (claimed.id, claimed.attempt, claimed.retries) == (receipt.task, 1, 1)
    assert await store.queue.claim(node, "default", ["Noop"], 10) == []
