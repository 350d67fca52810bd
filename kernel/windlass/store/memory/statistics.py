"""What is counted, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from windlass.store.facts import Membership
from windlass.store.memory.world import Place, World
from windlass.store.statistics import DEPTH_CAP, Backlog, Counts, Depth, PriorityClass, Statistics

GONE = 0
NUMBERS = Counts.__struct_fields__[2:]


class MemoryStatistics(Statistics):
    def __init__(self, world: World) -> None:
        self._world = world

    async def flush(self, node: int, counts: Sequence[Counts]) -> bool:
        if not self._world.alive(node):
            return False
        self._world.counted.update({(node, c.pool, c.kind): c for c in counts})
        return True

    async def merge(self, membership: Membership) -> int:
        world = self._world
        if not world.leads(membership.node, membership.term):
            return 0
        gone = {node for node, _, _ in world.counted if node != GONE and not world.alive(node)}
        for key in [key for key in world.counted if key[0] in gone]:
            total = (GONE, *key[1:])
            added = [c for c in (world.counted.get(total), world.counted.pop(key)) if c]
            world.counted[total] = _sum(added)
        return len(gone)

    async def counts(self) -> list[Counts]:
        every: defaultdict[tuple[str, str], list[Counts]] = defaultdict(list)
        for counted in self._world.counted.values():
            every[counted.pool, counted.kind].append(counted)
        return [_sum(same) for _, same in sorted(every.items())]

    async def backlog(self) -> Backlog:
        found: defaultdict[tuple[str, int], list[Place]] = defaultdict(list)
        for place in self._world.ready.values():
            found[place.pool, -PriorityClass.of(place.priority)].append(place)
        depths = tuple(self._depth(pool, -lowest, places) for (pool, lowest), places in sorted(found.items()))
        return Backlog(depths, min(len(self._world.deferred), DEPTH_CAP + 1))

    def _depth(self, pool: str, lowest: int, places: list[Place]) -> Depth:
        oldest = (self._world.now() - min(place.next_try_at for place in places)).total_seconds()
        return Depth(pool, PriorityClass(lowest), min(len(places), DEPTH_CAP + 1), max(oldest, 0.0))


def _sum(counted: list[Counts]) -> Counts:
    first = counted[0]
    numbers = {name: sum(getattr(c, name) for c in counted) for name in NUMBERS}
    return Counts(first.pool, first.kind, **numbers)
