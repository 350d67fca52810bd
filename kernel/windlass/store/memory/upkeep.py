"""What keeps a store in memory from growing for ever."""

from __future__ import annotations

from windlass.store.facts import Membership
from windlass.store.memory.world import World
from windlass.store.upkeep import Pruned, Retention, Roll, Upkeep

WIDTH = 1_000_000


class MemoryUpkeep(Upkeep):
    def __init__(self, world: World) -> None:
        self._world = world

    async def roll(self, membership: Membership, period: float) -> Roll:
        world = self._world
        if not world.sets:
            world.sets.append((0, world.now()))
        lower, opened_at = world.sets[-1]
        is_old = world.last_id >= max(lower, 1) and (world.now() - opened_at).total_seconds() >= period
        if not is_old or not self._leads(membership):
            return Roll.NONE
        upper = (world.last_id // WIDTH + 1) * WIDTH
        world.last_id = upper - 1
        world.sets.append((upper, world.now()))
        return Roll.ROLLED

    async def drop(self, membership: Membership, longest: float) -> int:
        world, dropped = self._world, 0
        if not self._leads(membership):
            return 0
        for (lower, opened_at), (upper, _) in list(zip(world.sets, world.sets[1:], strict=False)):
            tasks = [task for task in world.tasks if lower <= task < upper]
            if all(self._age(task) > longest for task in tasks):
                self._forget(tasks)
                world.sets.remove((lower, opened_at))
                dropped += 1
        return dropped

    async def prune(self, membership: Membership, retention: Retention, after: int, limit: int) -> Pruned:
        if not self._leads(membership):
            return Pruned(None, 0)
        page = sorted(task for task in self._world.over if task > after)[:limit]
        over = [task for task in page if self._age(task) > self._kept(task, retention)]
        self._forget(over)
        return Pruned(page[-1] if len(page) == limit else None, len(over))

    async def expire(self, membership: Membership, requests: float, nodes: float) -> int:
        world = self._world
        if not self._leads(membership):
            return 0
        asked = {task: (world.now() - at).total_seconds() for task, (_, at) in world.tasks.items()}
        old = [id_ for id_, (_, task) in world.requests.items() if asked.get(task, requests) >= requests]
        for id_ in old:
            del world.requests[id_]
        needed = {held.node for held in world.running.values()} | {node for node, _, _ in world.counted}
        gone = [
            node
            for node, member in world.nodes.items()
            if node not in needed and (world.now() - member.expires_at).total_seconds() > nodes
        ]
        for node in gone:
            del world.nodes[node]
        keys = [key for key, task in world.keys.items() if task not in world.tasks or self._age(task) >= requests]
        for key in keys:
            del world.keys[key]
        return len(old) + len(gone) + len(keys)

    async def vacuum(self, membership: Membership) -> list[str]:
        return []

    def _leads(self, membership: Membership) -> bool:
        return self._world.leads(membership.node, membership.term)

    def _age(self, task: int) -> float:
        """Seconds since it ended; less than nothing while it has not."""
        over = self._world.over.get(task)
        return -1.0 if over is None else (self._world.now() - over.ended_at).total_seconds()

    def _kept(self, task: int, retention: Retention) -> float:
        asked, over = self._world.tasks[task][0], self._world.over[task]
        longest = retention.longest
        return min(longest, retention.states.get(over.state, longest), retention.kinds.get(asked.kind, longest))

    def _forget(self, tasks: list[int]) -> None:
        world = self._world
        for task in tasks:
            del world.tasks[task]
            world.over.pop(task, None)
            world.tried.pop(task, None)
            world.events.pop(task, None)
