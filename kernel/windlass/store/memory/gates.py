"""What blocked tasks wait for, and when they are let go, in memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from windlass.core.lifecycle import State, Verdict
from windlass.store.memory.world import DEPENDENCIES, SLOT, TWIN, Over, Place, World


class Gates:
    def __init__(self, world: World) -> None:
        self._world = world

    def release(self, limit: int = 1_000) -> int:
        """Let go what no gate holds any more; how many became claimable."""
        while any(self._try_dependent(p) for p in list(self._world.blocked.values()) if p.waits == DEPENDENCIES):
            # Those that were canceled have ended too, and others may have waited for them.
            pass
        for place in self._world.blocked.values():
            if place.waits == TWIN and not self._has_twin(place):
                place.waits = SLOT
        waiting = sorted((p for p in self._world.blocked.values() if p.waits == SLOT), key=lambda place: place.order)
        free = [place for place in waiting if self._is_free(place)][:limit]
        return sum(map(self._let_go, free))

    def free_slot(self, place: Place) -> int | None:
        """The lowest free slot of its concurrency key; None when there is none, or no key."""
        if place.slot_key is None:
            return None
        taken, limit = self._world.slots_taken(place.slot_key), place.slot_limit or 1
        return next((slot for slot in range(1, limit + 1) if slot not in taken), None) if len(taken) < limit else None

    def is_awaited(self, task: int) -> bool:
        return any(task in others for others in self._world.dependencies.values())

    def end(self, task: int, state: State, message: str) -> None:
        """End a task that waits."""
        world = self._world
        where = world.place_of(task)
        assert where is not None
        place = where.pop(task)
        world.dependencies.pop(task, None)
        verdict = Verdict.CANCELED if state is State.CANCELED else Verdict.FAILED
        world.over[task] = Over.of(place, state, verdict, None, None, world.now(), message)

    def _try_dependent(self, place: Place) -> bool:
        """Whether it was canceled."""
        world = self._world
        waits_for = world.dependencies[place.id]
        over = {other: world.over[other].state for other in waits_for if other in world.over}
        missed = [id_ for id_, state in over.items() if waits_for[id_] and state is not State.COMPLETED]
        if missed:
            self.end(place.id, State.CANCELED, f"task {min(missed)}, which it needed, did not complete")
        elif len(over) == len(waits_for):
            del world.dependencies[place.id]
            place.waits = TWIN
        return bool(missed)

    def _has_twin(self, place: Place) -> bool:
        return place.coalesce_key is not None and self._world.under_way(place.kind, place.coalesce_key) is not None

    def _is_free(self, place: Place) -> bool:
        """Whether its key has a slot for it, after those of the key that come before it; or it waits for its time."""
        world = self._world
        if place.slot_key is None or place.next_try_at > world.now():
            return True
        if self._is_paused(place):
            return False
        rivals = [p for p in chain(world.ready.values(), world.blocked.values()) if p.slot_key == place.slot_key]
        better = [p for p in rivals if p.order < place.order and self._competes(p)]
        return len(world.slots_taken(place.slot_key)) + len(better) < (place.slot_limit or 1)

    def _competes(self, place: Place) -> bool:
        return place.waits in (0, SLOT) and place.next_try_at <= self._world.now() and not self._is_paused(place)

    def _is_paused(self, place: Place) -> bool:
        pool = self._world.pools.get(place.pool)
        return place.kind in self._world.paused_kinds or (pool is not None and pool.paused_by is not None)

    def _let_go(self, place: Place) -> bool:
        world = self._world
        del world.blocked[place.id]
        is_due = place.next_try_at <= world.now()
        (world.ready if is_due else world.deferred)[place.id] = replace(place, waits=0)
        return is_due
