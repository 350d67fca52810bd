"""Leadership, and the neighbours: who leads is a lease row with a term, and each maintenance write re-checks it.

Every node also watches the other nodes of its own machine: a process that is gone is proved dead at once, without
waiting for its lease.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from windlass.host.service import Bell, Service
from windlass.store.facts import Membership, NodeFacts
from windlass.store.port import Cluster

log = structlog.get_logger()

BEAT_SECONDS = 1.5
LEADER_LEASE = 6.0


class Leadership(Service):
    """`node` gives the present epoch; `recover` takes back what this dead node holds, or with None what any lost one
    does; `on_recovered` is told so.  `on_drained` is told at each beat whether somebody drains this node.
    """

    def __init__(
        self,
        cluster: Cluster,
        node: Callable[[], int | None],
        is_gone: Callable[[NodeFacts], bool],
        recover: Callable[[int | None], Awaitable[int]],
        on_recovered: Callable[[], None],
        on_drained: Callable[[bool], None],
    ) -> None:
        self._is_gone = is_gone
        self._recover = recover
        self._cluster = cluster
        self._node = node
        self._on_recovered = on_recovered
        self._on_drained = on_drained
        self._bell = Bell()
        self._membership: Membership | None = None

    def look(self) -> None:
        """This node may be drained, or resumed."""
        self._bell.ring()

    def membership(self) -> Membership | None:
        """My right to do maintenance; None when another node leads."""
        return self._membership

    async def run(self) -> None:
        while True:
            await self.beat()
            await self._bell.wait(BEAT_SECONDS)

    async def beat(self) -> None:
        """Once: try to lead, and bury neighbours whose process is gone."""
        node = self._node()
        if node is None:
            self._membership = None
            return
        beat = await self._cluster.beat(node, LEADER_LEASE)
        before, self._membership = self._membership, None if beat.term is None else Membership(node, beat.term)
        if node == self._node():
            self._on_drained(beat.draining)
        for neighbour in beat.neighbours:
            if self._is_gone(neighbour):
                recovered = await self._recover(neighbour.id)
                log.warning("a node's process is gone; its tasks are back", node=neighbour.name, tasks=recovered)
                self._on_recovered()
        if self._membership not in (None, before) and (recovered := await self._recover(None)):
            # Nobody swept while nobody led: with the wait for the next sweep, a lost leader's work took too long.
            log.warning("a new leader takes back what was lost", tasks=recovered)
            self._on_recovered()
