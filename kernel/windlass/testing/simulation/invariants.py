"""What must hold after every step; the names are those of the fault list (I1 to I15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import Receipt
from windlass.store.memory.world import Over, World
from windlass.testing.simulation.gated import Gated
from windlass.testing.simulation.machine import SLOTS
from windlass.testing.simulation.play import Execution, Ledger
from windlass.testing.simulation.press import Visit
from windlass.testing.simulation.standing import StandingOrders
from windlass.testing.simulation.violation import hold as _hold


class Invariants:
    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._ledger = ledger
        self._over: dict[int, Over] = {}
        self._attempts: dict[int, int] = {}
        self._term = 0
        self._published: Counter[str] = Counter()
        self._executions_seen = 0
        self._executed: set[tuple[int, int]] = set()
        self.standing = StandingOrders(world)
        self.gated = Gated(world, ledger, SLOTS)
        self.acknowledged: dict[str, int] = {}
        self.canceled: set[int] = set()

    def check(self) -> None:
        """After each step.  Raises `Violation` with the invariant's name."""
        self._one_place_each()
        self._results_stay()
        self._attempts_grow()
        self._each_attempt_runs_once()
        self.gated.check(self._live())
        self._one_term()
        self.standing.check()
        self._one_publishes()

    def acknowledge(self, request: str, receipt: Receipt) -> None:
        """An enqueue was answered."""
        task = receipt.task
        self.gated.acknowledge(request, receipt)
        first = self.acknowledged.setdefault(request, task)
        _hold(first == task, f"I8: request {request} made tasks {first} and {task}")

    def check_the_end(self) -> None:
        """When everything has healed and drained."""
        world = self._world
        made = {task for _, task in world.requests.values()}
        waiting = [task for task in made if task not in world.over]
        _hold(not waiting, f"liveness: tasks {waiting[:5]} have not ended")
        unasked = world.tasks.keys() - made - self.standing.made
        _hold(not unasked, f"I2: tasks without a request: {unasked}")
        for task in self.canceled:
            _hold(world.over[task].state is State.CANCELED, f"I13: task {task} was interrupted and is not canceled")
        self._repeats_are_explained()
        self.standing.check_the_end()
        self.gated.check_the_end()

    def _one_place_each(self) -> None:
        world = self._world
        places = Counter([*world.ready, *world.deferred, *world.blocked, *world.running, *world.over])
        wrong = [task for task in world.tasks if places[task] != 1]
        _hold(not wrong, f"I1: tasks {wrong[:5]} are not in exactly one place")
        _hold(places.keys() <= world.tasks.keys(), "I2: a place holds a task nobody asked for")
        lost = [task for task in self.acknowledged.values() if task not in world.tasks]
        _hold(not lost, f"I1: acknowledged tasks {lost[:5]} are gone")

    def _results_stay(self) -> None:
        for task, over in self._over.items():
            _hold(self._world.over.get(task) is over, f"I3: the result of task {task} changed")
        for task in self._world.over.keys() - self._over.keys():
            over = self._over[task] = self._world.over[task]
            by = over.attempt if over.result is None else msgspec.json.decode(over.result)["attempt"]
            _hold(by == over.attempt, f"I4: attempt {by} ended task {task}, whose attempt is {over.attempt}")

    def _attempts_grow(self) -> None:
        for task, attempt in self._numbers():
            _hold(attempt >= self._attempts.get(task, 0), f"I4: the attempt of task {task} fell to {attempt}")
            self._attempts[task] = attempt

    def _numbers(self) -> Iterable[tuple[int, int]]:
        for place in self._world.waiting:
            yield place.id, place.attempt
        for task, held in self._world.running.items():
            yield task, held.place.attempt

    def _each_attempt_runs_once(self) -> None:
        for entry in self._ledger.executions[self._executions_seen :]:
            key = (entry.task, entry.attempt)
            _hold(key not in self._executed, f"I6: attempt {entry.attempt} of task {entry.task} was executed twice")
            self._executed.add(key)
        self._executions_seen = len(self._ledger.executions)

    def _live(self) -> list[Execution]:
        # A deaf handler that was abandoned goes on beside the one that took its slot, and so does one whose node has
        # lost its lease without knowing it: nothing they do is accepted.
        entries = [entry for entries in self._ledger.going_on.values() for entry in entries if not entry.deaf]
        return [entry for entry in entries if self._is_live(entry.task, entry.attempt)]

    def _is_live(self, task: int, attempt: int) -> bool:
        held = self._world.running.get(task)
        return held is not None and held.place.attempt == attempt and self._world.alive(held.node)

    def _one_term(self) -> None:
        if leader := self._world.leader:
            _hold(leader.term >= self._term, f"I15: the term fell from {self._term} to {leader.term}")
            self._term = leader.term

    def _one_publishes(self) -> None:
        press = self._ledger.press
        _hold(not press.wrongs, f"I10: {press.wrongs[:1]}")
        for lane, visits in press.versions.items():
            for version, visit in enumerate(visits[self._published[lane] :], start=self._published[lane]):
                before = visits[version - 1].fence if version else 0
                _hold(visit.base == version, f"I10: version {version + 1} of {lane} builds on version {visit.base}")
                _hold(visit.fence > before, f"I10: in {lane} fence {visit.fence} published after {before}")
            self._published[lane] = len(visits)
        inside = Counter(visit.lane for visit in press.inside if self._is_running(visit))
        _hold(not inside or max(inside.values()) == 1, f"I10: at once inside: {press.inside}")

    def _is_running(self, visit: Visit) -> bool:
        # A deaf handler that was abandoned goes on beside the next holder; its check and its fence stop it.
        held = self._world.running.get(visit.task)
        return held is not None and held.place.attempt == visit.attempt and not visit.deaf

    def _repeats_are_explained(self) -> None:
        explained = {Verdict.RETRY, Verdict.LOST, Verdict.RETURNED}
        for task, attempt in self._executed:
            recorded = {t.attempt for t in self._world.tried.get(task, ()) if t.verdict in explained}
            over, held = self._world.over.get(task), self._world.running.get(task)
            last = over.attempt if over else held.place.attempt if held else None
            explained_here = attempt == last or attempt in recorded
            _hold(explained_here, f"I6: task {task} ran again, and nobody says why attempt {attempt} ended")
