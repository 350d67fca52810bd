"""The judge of the chaos runs finds what it is there to find: each breach, planted in a world without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.judge import ATTEMPTS, COMPLETED, LOST, OUTCOMES, TASKS, Judge
from tests.chaos.ledger import Ledger

NOW = 1_000.0
SUCCESS, CANCELED = 2, 6


class World:
    """Three tasks: one ran once, one was lost and ran again, one was interrupted."""

    def __init__(self) -> None:
        self.submitted: list[dict[str, Any]] = []
        self.executed: list[dict[str, Any]] = []
        self.tasks: list[tuple[Any, ...]] = []
        self.outcomes: dict[int, tuple[Any, ...]] = {}
        self.attempts: list[tuple[Any, ...]] = [(2, 1, LOST, NOW + 5, 7)]
        self.hits: list[dict[str, Any]] = []
        self.seen: dict[int, tuple[Any, ...]] = {}
        for task, key, how in ((1, "a", "quick"), (2, "b", "quick"), (3, "c", "long")):
            self.submitted += [{"what": "try", "key": key, "how": how}, {"what": "ack", "key": key, "task": task}]
            self.tasks.append((task, key, 1))
            self.outcomes[task] = (COMPLETED, 1, NOW + 9, "", {"attempt": 1})
        self.outcomes[2] = (COMPLETED, 2, NOW + 9, "", {"attempt": 2})
        self.outcomes[3] = (CANCELED, 1, NOW + 9, "interrupted by eve", None)
        self.submitted.append({"what": "interrupted", "key": "c", "task": 3, "at": NOW})
        for task, attempt in ((1, 1), (2, 1), (2, 2), (3, 1)):
            line = {"key": "abc"[task - 1], "task": task, "attempt": attempt}
            self.executed += [{"what": "start"} | line, {"what": "effect"} | line]

    def patiently(self, query: str) -> list[tuple[Any, ...]]:
        rows = {
            TASKS: self.tasks,
            OUTCOMES: [(task, *facts) for task, facts in self.outcomes.items()],
            ATTEMPTS: self.attempts,
        }
        return rows[query]

    def write(self, *accepted: int, asked: float, place: str = "finish.committed", attempt: int = 1) -> None:
        """A write of an attempt of task 2, and what the store took of it."""
        hit = {"place": place, "action": "note", "tasks": "{2}", "attempts": f"{{{attempt}}}"}
        self.hits.append(hit | {"accepted": list(accepted), "asked": asked, "at": asked})


def judged(world: World, folder: Path) -> tuple[dict[str, int], list[str]]:
    for name, lines in (("submitter", world.submitted), ("executions-1", world.executed)):
        ledger = Ledger(folder, name)
        for line in lines:
            ledger.write(**({"at": NOW} | line))
        ledger.close()
    judge = Judge(Ledger(folder), world, world.hits)  # type: ignore[arg-type]
    return judge.judge(world.seen)._asdict(), judge.wrong


def test_in_a_world_without_a_breach_nothing_is_wrong_and_a_refused_zombie_counts_as_tried(tmp_path: Path) -> None:
    world = World()
    world.write(asked=NOW + 7)
    world.write(2, asked=NOW + 8, attempt=2)
    world.seen = dict(world.outcomes)
    counts, wrong = judged(world, tmp_path)
    assert wrong == []
    assert (counts["attempts"], counts["acked"], counts["explained"], counts["recovered"]) == (3, 3, 1, 1)
    assert (counts["zombie_tried"], counts["zombie_accepted"]) == (1, 0)


BREACHES: dict[str, tuple[str, str, Callable[[World], object]]] = {
    "an acknowledged task that is not there": ("lost", "I1", lambda w: w.tasks.pop(0)),
    "an acknowledged task that did not end": ("lost", "I1", lambda w: w.outcomes.pop(1)),
    "a task in two places": ("lost", "I1", lambda w: w.tasks.__setitem__(0, (1, "a", 2))),
    "an answer with another task's id": ("lost", "I1", lambda w: w.submitted[1].update(task=9)),
    "a task nobody asked for": ("unexpected", "I2", lambda w: w.tasks.append((4, "d", 1))),
    "an execution of no task": ("unexpected", "I2", lambda w: w.executed[0].update(key="d", task=4)),
    "a result whose attempt did nothing": ("unexpected", "I2", lambda w: w.executed.pop(1)),
    "a result that changed": ("unexpected", "I3", lambda w: w.seen.update({1: (SUCCESS, 1, NOW, "", None)})),
    "an attempt that ended twice": ("unexpected", "I3", lambda w: w.attempts.append((1, 1, LOST, NOW, 7))),
    "an interrupted task that completed": (
        "unexpected",
        "I3",
        lambda w: w.outcomes.update({3: (COMPLETED, 1, NOW, "", None)}),
    ),
    "a result of an older attempt": (
        "unexpected",
        "I4",
        lambda w: w.outcomes.update({2: (COMPLETED, 2, NOW, "", {"attempt": 1})}),
    ),
    "a zombie's result that was taken": ("zombie_accepted", "I4", lambda w: w.write(2, asked=NOW + 4)),
    "a zombie's words that were taken": (
        "zombie_accepted",
        "I4",
        lambda w: w.write(2, asked=NOW + 7, place="say.committed"),
    ),
    "a repeat without a reason": ("duplicated", "I6", lambda w: w.executed[0].update(attempt=7)),
    "an attempt that began twice": ("duplicated", "I6", lambda w: w.executed.append(dict(w.executed[0]))),
    "two tasks of one request": ("duplicated", "I8", lambda w: w.tasks.append((5, "a", 1))),
    "another body under a used id": (
        "unexpected",
        "I8",
        lambda w: w.submitted.append({"what": "bent", "key": "a", "reason": "made task 5"}),
    ),
    "an interrupt that came too late": ("unexpected", "I13", lambda w: w.submitted[-1].update(at=NOW - 100)),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found(breach: str, tmp_path: Path) -> None:
    count, invariant, plant = BREACHES[breach]
    world = World()
    plant(world)
    counts, wrong = judged(world, tmp_path)
    assert counts[count] > 0
    assert any(words.startswith(invariant) for words in wrong), wrong


def test_words_on_their_way_when_recovery_came_are_no_zombies(tmp_path: Path) -> None:
    world = World()
    world.write(2, asked=NOW + 4.9, place="say.committed")
    counts, wrong = judged(world, tmp_path)
    assert (counts["zombie_accepted"], wrong) == (0, [])
