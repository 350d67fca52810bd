"""Hints only hurry things on: what nobody tells a node of, it finds by looking."""

from __future__ import annotations

from tests.contract.facts import new_task
from tests.host.rig import Rig


async def test_a_task_that_no_hint_tells_of_starts_within_a_poll(rig: Rig) -> None:
    kernel = await rig.start()
    await rig.shared(4)
    # A share that changes makes it look as well.
    await kernel.node.sharing.stop()
    for _ in range(2):
        # The store does not hint to itself, and the node is not told.
        [receipt] = await rig.store.queue.enqueue([new_task()])
        await rig.ended(receipt.task, within=3.0)
