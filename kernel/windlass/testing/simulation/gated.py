"""What must hold of the gates between a request and its run: keys, pools, twins, dependencies, deadlines, pauses."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from windlass.core.lifecycle import State
from windlass.store.facts import Receipt, Sort
from windlass.store.memory.world import Held, World
from windlass.testing.simulation.play import Execution, Ledger
from windlass.testing.simulation.violation import hold

HEARD_WITHIN = timedelta(seconds=12)
"""Of a pool that was made smaller: by then every node has asked for its share anew, or has lost its lease."""
POOL = "default"
LATE = "it was not started by its deadline"


class Gated:
    """`resized` is told of each change of the pool's slots."""

    def __init__(self, world: World, ledger: Ledger, slots: int) -> None:
        self._world = world
        self._ledger = ledger
        self._sizes = [(datetime.min.replace(tzinfo=UTC), slots)]
        self._claims: set[tuple[int, int]] = set()
        self._was_paused = False
        self._checked_at = datetime.min.replace(tzinfo=UTC)
        self._receipts: dict[str, Receipt] = {}
        self._began_at: dict[Execution, datetime] = {}
        self._wrongs: list[str] = []
        ledger.on_begin = self._begins

    def resized(self, slots: int) -> None:
        self._sizes.append((self._world.now(), slots))

    def acknowledge(self, request: str, receipt: Receipt) -> None:
        """An enqueue was answered."""
        self._receipts[request] = receipt

    def check(self, live: list[Execution]) -> None:
        """After each step; `live` are the executions that their store still knows, deaf ones left out."""
        hold(not self._wrongs, f"{self._wrongs[:1]}")
        self._keys_hold(live)
        self._the_pool_holds(live)
        self._one_of_each_twin()
        self._claims_were_allowed()
        self._checked_at = self._world.now()
        self._was_paused = self._is_paused()

    def check_the_end(self) -> None:
        """When everything has healed and drained."""
        runs: dict[int, list[Execution]] = {}
        for entry in self._ledger.executions:
            runs.setdefault(entry.task, []).append(entry)
        for task, over in self._world.over.items():
            is_late = over.message == LATE and over.attempt == 0
            hold(not (is_late and task in runs), f"deadline: task {task} was too late, and ran")
            started = [tried.attempt for tried in self._world.tried.get(task, ()) if tried.started_at is not None]
            hold(over.message != LATE or not started, f"deadline: task {task} was too late after it had started")
        for request, receipt in self._receipts.items():
            self._is_served(request, receipt, runs.get(receipt.task, []))

    def _is_served(self, request: str, receipt: Receipt, runs: list[Execution]) -> None:
        asked = self._world.tasks[receipt.task][0]
        if asked.coalesce_key is None:
            return
        stale = [entry for entry in runs if request not in entry.requests]
        # Whoever lost his first answer got "repeated"; what that one said is in the ledger of those who joined.
        joined = [facts for facts in self._world.joined[receipt.task] if request.encode() in facts.payload]
        told = receipt.state is State.RUNNING if receipt.sort is Sort.JOINED else any(one.running for one in joined)
        hold(asked.joins_running or not told, f"I9: {request} was let into task {receipt.task}, which was under way")
        hold(told or not stale, f"I9: {request} waited with task {receipt.task}, which ran without it: {stale[:1]}")
        late = [entry for entry in runs for one in joined if not one.running and self._began_at[entry] < one.at]
        hold(not late, f"I9: {request} joined a waiting task that had begun: {late[:1]}")
        done = self._world.over[receipt.task].state is State.COMPLETED
        hold(not done or bool(runs), f"I9: task {receipt.task} is completed and never ran")

    def _begins(self, entry: Execution) -> None:
        # Told in the handler, where an exception would be taken for its failure.
        world = self._world
        self._began_at[entry] = world.now()
        asked = world.tasks[entry.task][0]
        early = [task for task in asked.after if task not in world.over]
        if early:
            self._wrongs.append(f"dependencies: task {entry.task} runs before the end of {early}")
        elif asked.after_success:
            missed = [task for task in asked.after if world.over[task].state is not State.COMPLETED]
            if missed:
                self._wrongs.append(f"dependencies: task {entry.task} runs without the success of {missed}")

    def _keys_hold(self, live: list[Execution]) -> None:
        held = [one for one in self._world.running.values() if one.place.slot_key is not None]
        slots = Counter((one.place.slot_key, one.slot) for one in held)
        hold(not slots or max(slots.values()) == 1, f"I7: slots of keys are held twice: {slots.most_common(1)}")
        limits = {one.place.slot_key: one.place.slot_limit or 1 for one in held}
        for executing in (
            Counter(self._key(entry.task) for entry in live),
            Counter(one.place.slot_key for one in held),
        ):
            for key, limit in limits.items():
                hold(executing[key] <= limit, f"I7: {executing[key]} of key {key} at once, whose limit is {limit}")

    def _key(self, task: int) -> str | None:
        return self._world.tasks[task][0].slot_key

    def _the_pool_holds(self, live: list[Execution]) -> None:
        if not live:
            return
        changed_at, slots = self._sizes[-1]
        oldest = min(self._began_at[entry] for entry in live) - HEARD_WITHIN
        before = [size for at, size in self._sizes if at <= oldest][-1:]
        most = max([*before, *(size for at, size in self._sizes if at > oldest)])
        hold(len(live) <= most, f"I7: {len(live)} tasks execute in a pool of {most} slots")
        young = sum(self._began_at[entry] > changed_at + HEARD_WITHIN for entry in live if len(self._sizes) > 1)
        hold(young <= slots, f"I7: {young} tasks began in a pool that was made to have {slots} slots")

    def _one_of_each_twin(self) -> None:
        world = self._world
        places = [*world.waiting, *(held.place for held in world.running.values())]
        keyed = [place for place in places if place.coalesce_key is not None]
        twins = Counter((place.kind, place.coalesce_key, place.attempt > 0) for place in keyed)
        hold(not twins or max(twins.values()) == 1, f"I9: two tasks of one key at once: {twins.most_common(1)}")

    def _claims_were_allowed(self) -> None:
        held = {(task, one.place.attempt): one for task, one in self._world.running.items()}
        for claim in held.keys() - self._claims:
            self._was_allowed(held[claim])
        self._claims = set(held)

    def _was_allowed(self, held: Held) -> None:
        place = held.place
        # People change it between two steps, so what is so at both ends was so all the time.
        hold(not (self._was_paused and self._is_paused()), f"pause: task {place.id} was claimed in a paused pool")
        in_time = place.start_by is None or place.start_by >= self._checked_at
        hold(in_time, f"deadline: task {place.id} was claimed after it")

    def _is_paused(self) -> bool:
        return POOL in self._world.pools and self._world.pools[POOL].paused_by is not None
