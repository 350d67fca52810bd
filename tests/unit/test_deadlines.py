"""Deadlines: which one is broken, and when to look again."""

from __future__ import annotations

import pytest
from windlass import Deadlines
from windlass.core.deadlines import next_look, overdue, override

BOTH = Deadlines(run=10.0, silence=3.0)


def test_by_default_there_is_none() -> None:
    assert overdue(Deadlines(), 1e9, 1e9) == ""
    assert next_look(Deadlines(), 0.0, 0.0) is None
    assert next_look(Deadlines(queue=5.0), 0.0, 0.0) is None, "that one is the store's"


@pytest.mark.parametrize(
    ("ran", "silent", "said"),
    [
        (2.9, 2.9, ""),
        (3.0, 3.0, "it said nothing for 3 s"),
        (9.9, 0.0, ""),
        (10.0, 0.0, "it ran longer than 10 s"),
        (12.0, 12.0, "it ran longer than 10 s"),
    ],
)
def test_a_broken_deadline_is_named(ran: float, silent: float, said: str) -> None:
    assert overdue(BOTH, ran, silent) == said


@pytest.mark.parametrize(
    ("ran", "silent", "seconds"), [(0.0, 0.0, 3.0), (5.0, 1.0, 2.0), (9.0, 1.0, 1.0), (11.0, 0.0, 0.0)]
)
def test_the_next_look_is_when_the_first_of_them_may_break(ran: float, silent: float, seconds: float) -> None:
    assert next_look(BOTH, ran, silent) == seconds


def test_what_a_task_asks_for_wins_over_its_kind() -> None:
    kind = Deadlines(run=10.0, silence=3.0, queue=60.0)
    assert override(kind) is kind
    assert override(kind, run=1.0) == Deadlines(run=1.0, silence=3.0, queue=60.0)
    assert override(kind, silence=1.0) == Deadlines(run=10.0, silence=1.0, queue=60.0)


@pytest.mark.parametrize("seconds", [0, -1.0, 400 * 86_400.0])
@pytest.mark.parametrize("name", ["run", "silence", "queue"])
def test_a_deadline_that_makes_no_sense_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"the deadline '{name}' must be more than 0 s"):
        Deadlines(**{name: seconds})
