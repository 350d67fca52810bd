"""Ends that are handed in: only what the store accepted is settled."""

from __future__ import annotations

from datetime import UTC, datetime

from windlass.host.completer import Completer
from windlass.store.facts import Settled
from windlass.store.memory import MemoryStore, World

from tests.contract.facts import ended, held, node_of, recovered


async def test_an_end_that_the_store_refused_is_not_taken_for_settled() -> None:
    store = MemoryStore(World(lambda: datetime.now(UTC)))
    node = await node_of(store)
    late = await held(store, node)
    await store.cluster.leave(node)
    await recovered(store, 1)
    other = await node_of(store)
    [kept] = await store.queue.claim(other, "default", ["Noop"], 1)
    settled: list[Settled] = []
    completer = Completer(store.queue, settled.extend)
    completer.add(node, ended(late))
    completer.add(other, ended(kept))
    completer.start()
    await completer.settled()
    await completer.stop()
    assert [one.task for one in settled] == [kept.id]
    assert completer.refused == 1
