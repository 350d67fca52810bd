"""How much may run, and what is paused, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windlass.core.shares import Share, may_fill, next_share, others_may_change
from windlass.errors import KindNotFound, PoolNotFound
from windlass.store.facts import Note
from windlass.store.memory.gates import Gates
from windlass.store.memory.world import Pool, World
from windlass.store.pools import KindFacts, PoolFacts, Pools
from windlass.store.roster import Pause


class MemoryPools(Pools):
    def __init__(self, world: World, speaker: object) -> None:
        self._world = world
        self._speaker = speaker
        self._gates = Gates(world)

    async def register(self, pools: Mapping[str, int], kinds: Sequence[KindFacts]) -> None:
        for name, slots in pools.items():
            pool = self._world.pools.setdefault(name, Pool(slots, slots))
            if pool.configured != slots:
                pool.slots = pool.configured = slots
        self._world.known_kinds |= {kind.name: kind for kind in kinds}

    async def look(self, unsure: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[PoolFacts]:
        known = sorted(self._world.pools)
        return [self._facts(name, has_due=name in unsure and self._has_due(name, kinds)) for name in known]

    async def share(self, node: int, pool: str, in_use: int, *, hungry: bool) -> int:
        world = self._world
        if not world.alive(node) or pool not in world.pools:
            return 0
        for key in [key for key in world.shares if key[0] == pool and not world.alive(key[1])]:
            del world.shares[key]
        before = world.shares.get((pool, node))
        mine = Share(node, before.slots if before else 0, in_use, hungry)
        world.shares[pool, node] = mine
        slots = next_share(node, world.pools[pool].slots, self._shares(pool))
        world.shares[pool, node] = Share(node, slots, in_use, hungry)
        if before != world.shares[pool, node] and others_may_change(node, world.pools[pool].slots, self._shares(pool)):
            world.say("pool", self._speaker)
        return may_fill(node, world.pools[pool].slots, self._shares(pool))

    async def resize(self, pool: str, slots: int, note: Note | None = None) -> None:
        self._pool(pool).slots = slots
        self._world.note(note)
        self._world.say("pool", self._speaker)

    async def pause_pool(self, pool: str, by: str, reason: str, note: Note | None = None) -> None:
        found = self._pool(pool)
        self._world.note(note)
        found.pause = found.pause or Pause(by, reason, self._world.now())

    async def resume_pool(self, pool: str, note: Note | None = None) -> None:
        self._pool(pool).pause = None
        self._world.note(note)
        self._gates.release()
        self._world.say("ready", self._speaker)

    async def pause_kind(self, kind: str, by: str, reason: str, note: Note | None = None) -> None:
        self._check_kind(kind)
        self._world.note(note)
        self._world.paused_kinds.setdefault(kind, Pause(by, reason, self._world.now()))

    async def resume_kind(self, kind: str, note: Note | None = None) -> None:
        self._check_kind(kind)
        self._world.note(note)
        self._world.paused_kinds.pop(kind, None)
        self._gates.release()
        self._world.say("ready", self._speaker)

    def _pool(self, name: str) -> Pool:
        if name not in self._world.pools:
            raise PoolNotFound(f"there is no pool {name!r}", pool=name)
        return self._world.pools[name]

    def _check_kind(self, name: str) -> None:
        if name not in self._world.known_kinds:
            raise KindNotFound(f"no node has ever known kind {name!r}", kind=name)

    def _shares(self, pool: str) -> tuple[Share, ...]:
        shares = self._world.shares.items()
        return tuple(share for (name, node), share in shares if name == pool and self._world.alive(node))

    def _has_due(self, pool: str, kinds: Sequence[str]) -> bool:
        now = self._world.now()
        return any(p.pool == pool and p.kind in kinds and p.next_try_at <= now for p in self._world.ready.values())

    def _facts(self, name: str, *, has_due: bool) -> PoolFacts:
        pool = self._world.pools[name]
        return PoolFacts(name, pool.slots, pool.paused_by, has_due, self._shares(name))
