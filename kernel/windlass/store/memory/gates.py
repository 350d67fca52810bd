"""What blocked tasks wait for, and when they are let go, in memory."""

from __future__ import annotations

from dataclasses import replace

from windlass.core.lifecycle import State, Verdict
from windlass.store.memory.world import DEPENDENCIES, SLOT, TWIN, Over, Place, World


class Gates:
    def __init__(self, world: World) -> None:
        self._world = world

    def release(self, limit: int = 1_000) -> int:
        """Let go what no gate holds any more; how many became claimable."""
        for place in list(self._world.blocked.values()):
            if place.waits == DEPENDENCIES:
                self._try_dependent(place)
        for place in self._world.blocked.values():
            if place.waits == TWIN and not self._has_twin(place):
                place.waits = SLOT
        waiting = sorted((p for p in self._world.blocked.values() if p.waits == SLOT), key=lambda place: place.order)
        return sum(map(self._try_slot, waiting[:limit] if limit < len(waiting) else waiting))

    def free_slot(self, place: Place) -> int | None:
        """The lowest free slot of its concurrency key; None when there is none, or no key."""
        if place.slot_key is None:
            return None
        taken = self._world.slots_taken(place.slot_key)
        return next((slot for slot in range(1, (place.slot_limit or 1) + 1) if slot not in taken), None)

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

    def _try_dependent(self, place: Place) -> None:
        world = self._world
        waits_for = world.dependencies[place.id]
        over = {other: world.over[other].state for other in waits_for if other in world.over}
        missed = [id_ for id_, state in over.items() if waits_for[id_] and state is not State.COMPLETED]
        if missed:
            self.end(place.id, State.CANCELED, f"task {min(missed)}, which it needed, did not complete")
        elif len(over) == len(waits_for):
            del world.dependencies[place.id]
            place.waits = TWIN

    def _has_twin(self, place: Place) -> bool:
        return place.coalesce_key is not None and self._world.under_way(place.kind, place.coalesce_key) is not None

    def _try_slot(self, place: Place) -> bool:
        world = self._world
        if place.slot_key is not None:
            taken = len(world.slots_taken(place.slot_key))
            taken += sum(other.slot_key == place.slot_key for other in world.ready.values())
            if taken >= (place.slot_limit or 1):
                return False
        del world.blocked[place.id]
        where = world.ready if place.next_try_at <= world.now() else world.deferred
        where[place.id] = replace(place, waits=0)
        return True
