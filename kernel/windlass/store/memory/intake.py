"""How requests become tasks, or join one, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from windlass.core.lifecycle import State
from windlass.errors import RequestIdReused, TaskNotFound
from windlass.store.facts import JoinedFacts, NewTask, Receipt, Sort
from windlass.store.memory.world import DEPENDENCIES, SLOT, TWIN, Place, World

MOST_COUNTED = 10_000


class Intake:
    def __init__(self, world: World) -> None:
        self._world = world

    def refusal(self, task: NewTask, before: Sequence[NewTask] = ()) -> RequestIdReused | None:
        """Why a request can't be taken, if it names a request id that another body used."""
        known = [self._world.requests.get(task.request_id, (task.body_hash, 0))] if task.request_id else []
        known += [(other.body_hash, 0) for other in before if task.request_id and other.request_id == task.request_id]
        for body_hash, first in known:
            if body_hash != task.body_hash:
                message = f"request_id {task.request_id} was used before with another body"
                return RequestIdReused(message, field="request_id", request_id=task.request_id, task=first)
        return None

    def check(self, task: NewTask) -> None:
        """Raises `TaskNotFound` for a dependency that does not exist."""
        for other in task.after:
            if other not in self._world.tasks:
                raise TaskNotFound(f"there is no task {other} to wait for", task=other)

    def store(self, task: NewTask) -> Receipt:
        """One request: repeated, joined or made a task."""
        world = self._world
        if task.request_id in world.requests:
            return Receipt(world.requests[task.request_id][1], Sort.REPEATED)
        due = world.now() + timedelta(seconds=max(0.0, task.delay))
        receipt = self._join(task, due) or self._make(task, due)
        if task.request_id:
            world.requests[task.request_id] = (task.body_hash, receipt.task)
        return receipt

    def _join(self, task: NewTask, due: datetime) -> Receipt | None:
        world = self._world
        if task.coalesce_key is None:
            return None
        pending = world.keys.get((task.kind, task.coalesce_key), 0)
        place = world.place_of(pending)
        if place is not None and place[pending].attempt == 0:
            self._lift(place, pending, task.priority, due)
            return self._joined(pending, task, State.PENDING)
        twin = world.under_way(task.kind, task.coalesce_key)
        if twin is None or not task.joins_running or self._is_canceling(twin.id):
            return None
        return self._joined(twin.id, task, State.RUNNING)

    def _is_canceling(self, task: int) -> bool:
        held = self._world.running.get(task)
        return held is not None and held.interrupted

    def _lift(self, place: dict[int, Place], task: int, priority: int, due: datetime) -> None:
        world, before = self._world, place[task]
        after = replace(before, priority=max(before.priority, priority), next_try_at=min(before.next_try_at, due))
        if place is world.deferred and due <= world.now():
            del place[task]
            world.ready[task] = replace(after, next_try_at=due)
        else:
            place[task] = replace(after, next_try_at=before.next_try_at) if place is world.ready else after

    def _joined(self, survivor: int, task: NewTask, state: State) -> Receipt:
        world = self._world
        running = state is not State.PENDING
        facts = JoinedFacts(world.now(), running, task.trigger, task.origin, task.initiator, task.payload.encode())
        world.joined[survivor].append(facts)
        return Receipt(survivor, Sort.JOINED, state, min(MOST_COUNTED, len(world.joined[survivor])))

    def _make(self, task: NewTask, due: datetime) -> Receipt:
        world = self._world
        world.last_id = id_ = world.last_id + 1
        world.tasks[id_] = (task, world.now())
        start_by = None if task.start_within is None else due + timedelta(seconds=task.start_within)
        place = Place(id_, task.kind, task.pool, task.priority, due, 0, 0, task.origin)
        place = replace(place, coalesce_key=task.coalesce_key, slot_key=task.slot_key, slot_limit=task.slot_limit)
        place = replace(place, start_by=start_by, waits=self._gate(task))
        where = world.blocked if place.waits else world.deferred if task.delay > 0 else world.ready
        where[id_] = place
        if task.after:
            world.dependencies[id_] = dict.fromkeys(task.after, task.after_success)
        if task.coalesce_key is not None:
            world.keys[(task.kind, task.coalesce_key)] = id_
        return Receipt(id_)

    def _gate(self, task: NewTask) -> int:
        if task.after:
            return DEPENDENCIES
        if task.coalesce_key is not None and self._world.under_way(task.kind, task.coalesce_key):
            return TWIN
        return SLOT if task.slot_key is not None and task.delay <= 0 else 0
