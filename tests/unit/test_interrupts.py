"""The ladder: which rungs there are, in which order, and for how long."""

from __future__ import annotations

from windlass import Rung
from windlass.core.interrupts import Graces, ladder, patience
from windlass.host.execution import HOW

GRACES = Graces(ask=1.0, raise_=2.0, terminate=3.0, kill=4.0)


def test_the_polite_rung_is_first_and_abandoning_is_the_last() -> None:
    assert ladder(GRACES) == ((Rung.ASKED, 1.0), (Rung.RAISED, 2.0), (Rung.ABANDONED, 0.0))


def test_an_executor_climbs_only_the_rungs_it_has_always_in_one_order() -> None:
    assert ladder(GRACES, (Rung.KILLED, Rung.TERMINATED, Rung.RAISED, Rung.ASKED)) == (
        (Rung.ASKED, 1.0),
        (Rung.RAISED, 2.0),
        (Rung.TERMINATED, 3.0),
        (Rung.KILLED, 4.0),
        (Rung.ABANDONED, 0.0),
    )
    assert ladder(GRACES, ()) == ((Rung.ABANDONED, 0.0),)


def test_who_is_not_waited_for_politely_gets_what_raising_and_killing_take() -> None:
    assert patience(GRACES, (Rung.ASKED, Rung.RAISED)) == 2.0
    assert patience(GRACES, (Rung.RAISED, Rung.KILLED)) == 6.0


def test_history_has_words_for_every_rung() -> None:
    assert set(HOW) == set(Rung)
