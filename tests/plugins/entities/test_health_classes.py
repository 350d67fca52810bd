"""Which class a feed has, and what is remembered of its moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from windlass_entities.health import Condition, Thresholds, Transition, health_of, kept

NOW = datetime(2026, 5, 1, tzinfo=UTC)
GRACE = 14_400


def condition(minutes: float = 0.0, **different: object) -> Condition:
    fields = {"available": True, "unique_ips": 7, "maintained": True, "last_change": NOW - timedelta(minutes=minutes)}
    return Condition(**(fields | different))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (-5, "healthy"),
        (0, "healthy"),
        (GRACE + 10_080, "healthy"),
        (GRACE + 10_081, "delayed"),
        (GRACE + 43_200, "delayed"),
        (GRACE + 43_201, "risky"),
        (GRACE + 86_400, "risky"),
        (GRACE + 86_401, "archived"),
    ],
)
def test_lateness_is_counted_beyond_the_grace(minutes: float, expected: str) -> None:
    assert health_of(condition(minutes), Thresholds(), NOW) == expected


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ({"available": False, "unique_ips": 0, "maintained": False}, "unavailable"),
        ({"unique_ips": 0, "maintained": False}, "empty"),
        ({"maintained": False}, "unmaintained"),
        ({"last_change": None}, "unavailable"),
    ],
)
def test_what_is_wrong_with_the_feed_goes_before_lateness(different: dict[str, object], expected: str) -> None:
    assert health_of(condition(10**6, **different), Thresholds(), NOW) == expected


def test_thresholds_are_the_operators() -> None:
    thresholds = Thresholds(grace=0, delayed=1, risky=2, archived=3)
    found = [health_of(condition(minutes), thresholds, NOW) for minutes in (1, 2, 3, 4)]
    assert found == ["healthy", "delayed", "risky", "archived"]


def test_thresholds_in_a_wrong_order_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="they are 10080, 5 and 86400 minutes"):
        msgspec.convert({"risky": 5}, Thresholds)


def test_the_last_twenty_transitions_are_kept_in_whatever_order_they_came() -> None:
    moves = [
        Transition(feed=f"feed{number:02}", before="healthy", after="delayed", at=NOW + timedelta(hours=number // 5))
        for number in range(30)
    ]
    assert kept(kept((), moves[:13]), moves[13:]) == kept(kept((), reversed(moves[9:])), moves[:9]) == tuple(moves[10:])
