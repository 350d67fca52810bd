"""When a failed attempt is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.core.retry import RetryPolicy, may_try_again, override


def test_the_default_is_ten_attempts_thirty_seconds_apart() -> None:
    assert (RetryPolicy().attempts, RetryPolicy().pause) == (10, 30.0)


def test_the_ninth_failed_attempt_is_tried_again_and_the_tenth_is_the_last() -> None:
    assert may_try_again(RetryPolicy(), 9)
    assert not may_try_again(RetryPolicy(), 10)


@given(st.integers(1, 32_000))
def test_a_policy_of_n_attempts_allows_exactly_n(attempts: int) -> None:
    policy = RetryPolicy(attempts=attempts)
    assert not may_try_again(policy, attempts)
    assert attempts == 1 or may_try_again(policy, attempts - 1)


@pytest.mark.parametrize("attempts", [0, -1, 32_001])
def test_a_number_of_attempts_that_makes_no_sense_is_refused(attempts: int) -> None:
    with pytest.raises(ValueError, match="attempts must be between 1 and 32000"):
        RetryPolicy(attempts=attempts)


@pytest.mark.parametrize("pause", [-0.1, 367 * 86_400, float("nan"), float("inf")])
def test_a_pause_that_makes_no_sense_is_refused(pause: float) -> None:
    with pytest.raises(ValueError, match="pause must be between 0 s and 366 days"):
        RetryPolicy(pause=pause)


def test_a_task_may_ask_for_something_else_than_its_kind() -> None:
    kind = RetryPolicy(attempts=3, pause=7.0)
    assert override(kind, attempts=None, pause=None) == kind
    assert override(kind, attempts=5, pause=None) == RetryPolicy(attempts=5, pause=7.0)
    assert override(kind, attempts=None, pause=0.0) == RetryPolicy(attempts=3, pause=0.0)
