"""Whole numbers in the console: as people type them, and in words."""

from __future__ import annotations

import pytest
from windlass_console.rendering import amount
from windlass_console.whole import whole


@pytest.mark.parametrize(
    ("typed", "number"), [("0", 0), (" 7 ", 7), ("007", 7), (41, 41), ("999999999", 999_999_999), ("10", 10)]
)
def test_a_whole_number_is_read_as_it_is_typed(typed: object, number: int) -> None:
    assert whole(typed) == number


@pytest.mark.parametrize("typed", ["", None, "-1", "1.0", "1e3", "1_000", "٣", "²", "0x1", "1" * 5000, "1000000000"])
def test_everything_else_is_none(typed: object) -> None:
    assert whole(typed) is None


def test_a_number_may_have_its_own_limit() -> None:
    assert (whole("100", 100), whole("101", 100)) == (100, None)


def test_amounts_are_said_as_people_say_them() -> None:
    assert [amount(number, "task") for number in (0, 1, 2, 1200)] == ["no tasks", "1 task", "2 tasks", "1,200 tasks"]
