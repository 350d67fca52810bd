"""The interrupt ladder."""

from __future__ import annotations

from windlass.core.interrupts import Graces, Rung, ladder


def test_the_ladder_asks_then_raises_then_abandons() -> None:
    assert ladder(Graces(ask=1.0, raise_=2.0)) == ((Rung.ASKED, 1.0), (Rung.RAISED, 2.0), (Rung.ABANDONED, 0.0))


def test_an_interrupted_handler_holds_its_slot_for_ten_seconds_at_most_by_default() -> None:
    assert sum(seconds for _, seconds in ladder(Graces())) == 10.0
