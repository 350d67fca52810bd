"""The numbers of a task's events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from windlass.core.sequence import CREATED, ENDED, LAST_WRITABLE, SPAN, STARTED, WAITS, attempt_of, sequence

attempts = st.integers(0, 32_000)
places = st.integers(0, SPAN - 1)


@given(attempts, places)
def test_a_number_says_which_attempt_it_belongs_to(attempt: int, n: int) -> None:
    assert attempt_of(sequence(attempt, n)) == attempt


@given(st.tuples(attempts, places), st.tuples(attempts, places))
def test_numbers_are_ordered_by_attempt_and_then_by_place(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (sequence(*one) < sequence(*other)) == (one < other)


def test_what_a_handler_says_lies_between_the_start_and_the_end_of_its_attempt() -> None:
    assert STARTED < 1 <= LAST_WRITABLE < WAITS < ENDED < SPAN


def test_created_comes_before_the_start_of_the_first_attempt() -> None:
    assert attempt_of(CREATED) == 0
    assert sequence(1, STARTED) > CREATED


def test_the_largest_number_fits_into_a_bigint() -> None:
    assert sequence(32_000 * 10, ENDED) < 2**63
