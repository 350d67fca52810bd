"""When a failed attempt is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.core.retry import RetryPolicy, may_try_again, override, pause_after


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


def test_by_default_every_pause_is_the_same_whatever_the_longest() -> None:
    assert [pause_after(RetryPolicy(), retries, 0.5) for retries in (1, 2, 9)] == [30.0] * 3
    assert pause_after(RetryPolicy(pause=7200.0, longest=60.0), 5, 0.5) == 7200.0


def test_with_growth_each_pause_is_so_many_times_the_last_up_to_the_longest() -> None:
    policy = RetryPolicy(pause=2.0, growth=3.0, longest=50.0)
    assert [pause_after(policy, retries, 0.5) for retries in (1, 2, 3, 4, 5)] == [2.0, 6.0, 18.0, 50.0, 50.0]


def test_full_jitter_is_anything_from_nothing_to_the_whole_pause() -> None:
    policy = RetryPolicy(pause=10.0, growth=2.0, longest=100.0, jitter=True)
    assert [pause_after(policy, 2, chance) for chance in (0.0, 0.25, 1.0)] == [0.0, 5.0, 20.0]
    assert pause_after(policy, 9, 0.5) == 50.0


@given(
    st.floats(0, 366 * 86_400),
    st.floats(1, 100),
    st.floats(0, 366 * 86_400),
    st.booleans(),
    st.integers(1, 32_000),
    st.floats(0, 1),
)
def test_every_policy_has_a_pause_for_every_retry(
    pause: float, growth: float, longest: float, jitter: bool, retries: int, chance: float
) -> None:
    policy = RetryPolicy(attempts=32_000, pause=pause, growth=growth, longest=longest, jitter=jitter)
    assert 0.0 <= pause_after(policy, retries, chance) <= max(pause, longest)


@pytest.mark.parametrize("growth", [0.9, 101.0, float("nan")])
def test_a_growth_that_makes_no_sense_is_refused(growth: float) -> None:
    with pytest.raises(ValueError, match="growth must be between 1 and 100"):
        RetryPolicy(growth=growth)


@pytest.mark.parametrize("longest", [-1.0, 367 * 86_400, float("nan")])
def test_a_longest_pause_that_makes_no_sense_is_refused(longest: float) -> None:
    with pytest.raises(ValueError, match="longest must be between 0 s and 366 days"):
        RetryPolicy(longest=longest)
