"""What must hold of the work that nobody asks for: the ticks of schedules, and residents."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from windlass.store.memory.world import World
from windlass.testing.simulation.play import TICK_SECONDS
from windlass.testing.simulation.violation import hold

DECIDED_WITHIN = timedelta(seconds=20)
"""After everything has healed: a lost leader's lease, and a look."""
BACK_WITHIN = timedelta(seconds=15)


class StandingOrders:
    """`made` are the tasks that a tick or a resident accounts for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ticks_seen = 0
        self._decided: set[tuple[str, datetime]] = set()
        self._automatic: dict[int, str] = {}
        self._tasks_seen = 0
        self.made: set[int] = set()

    def check(self) -> None:
        """After each step."""
        self._a_tick_is_decided_once_with_one_task_at_most()
        self._made_by_nobody()
        self._one_live_task_a_resident()

    def check_the_end(self) -> None:
        """When everything has healed: no tick was left out, and the residents are there."""
        world = self._world
        facts = world.schedules["ticks"]
        due = facts.created_at + timedelta(seconds=TICK_SECONDS)
        while due < world.now() - DECIDED_WITHIN:
            hold(("ticks", due) in self._decided, f"ledger: nobody decided the tick of {due}")
            due += timedelta(seconds=TICK_SECONDS)
        task = world.residents.get(("Play", "stays"))
        over = None if task is None else world.over.get(task)
        is_late = over is not None and over.ended_at < world.now() - BACK_WITHIN
        hold(task is not None and not is_late, f"resident: task {task} ended, and no other was made")

    def _a_tick_is_decided_once_with_one_task_at_most(self) -> None:
        for tick in self._world.ticks[self._ticks_seen :]:
            key = (tick.schedule, tick.due_at)
            hold(key not in self._decided, f"ledger: the tick of {tick.due_at} was decided twice")
            hold(tick.task not in self.made, f"ledger: two ticks name task {tick.task}")
            self._decided.add(key)
            if tick.task is not None:
                self.made.add(tick.task)
        self._ticks_seen = len(self._world.ticks)

    def _made_by_nobody(self) -> None:
        world = self._world
        self.made |= set(world.residents.values())
        for task in range(self._tasks_seen + 1, world.last_id + 1):
            trigger = world.tasks[task][0].trigger
            if trigger in ("schedule", "resident"):
                self._automatic[task] = trigger
                hold(task in self.made, f"ledger: task {task} was made by a {trigger}, and nothing names it")
        self._tasks_seen = world.last_id

    def _one_live_task_a_resident(self) -> None:
        self._automatic = {task: what for task, what in self._automatic.items() if task not in self._world.over}
        live = Counter(self._automatic.values())["resident"]
        hold(live <= 1, f"resident: {live} tasks live at once")
