"""How much a node takes at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from windlass.core.claiming import AHEAD_SECONDS, LARGEST_CLAIM, claim_size, smoothed_rate

rates = st.floats(0.0, 1e7)
counts = st.integers(0, 10_000)


@given(slots=counts, executing=counts, waiting=counts, starts_per_second=rates)
def test_a_claim_is_never_negative_and_never_larger_than_the_largest(**facts: float) -> None:
    assert 0 <= claim_size(**facts) <= LARGEST_CLAIM  # type: ignore[arg-type]


@given(slots=counts, executing=counts, waiting=counts, starts_per_second=rates)
def test_what_is_held_never_grows_past_the_slots_and_what_starts_soon(
    slots: int, executing: int, waiting: int, starts_per_second: float
) -> None:
    claimed = claim_size(slots=slots, executing=executing, waiting=waiting, starts_per_second=starts_per_second)
    assert claimed == 0 or executing + waiting + claimed <= slots + starts_per_second * AHEAD_SECONDS


@given(slots=counts, extra=counts, starts_per_second=rates, more=counts)
def test_a_full_node_with_enough_waiting_claims_nothing(
    slots: int, extra: int, starts_per_second: float, more: int
) -> None:
    half = int(starts_per_second * AHEAD_SECONDS) // 2
    waiting = half + 1 + more
    held = {"slots": slots, "executing": slots + extra, "waiting": waiting}
    assert claim_size(**held, starts_per_second=starts_per_second) == 0


def test_an_idle_node_claims_for_its_free_slots_only() -> None:
    assert claim_size(slots=40, executing=0, waiting=0, starts_per_second=0) == 40
    assert claim_size(slots=40, executing=39, waiting=0, starts_per_second=0) == 1
    assert claim_size(slots=40, executing=40, waiting=0, starts_per_second=0) == 0


def test_a_busy_node_claims_what_it_will_start_in_a_tenth_of_a_second() -> None:
    assert claim_size(slots=40, executing=40, waiting=0, starts_per_second=2_000) == 200
    assert claim_size(slots=40, executing=40, waiting=100, starts_per_second=2_000) == 100
    assert claim_size(slots=40, executing=40, waiting=101, starts_per_second=2_000) == 0


def test_a_free_slot_is_worth_a_claim_whatever_waits() -> None:
    assert claim_size(slots=40, executing=39, waiting=160, starts_per_second=2_000) == 41


@given(rate=rates, starts=st.integers(0, 100_000), seconds=st.floats(0.001, 10.0))
def test_the_average_lies_between_what_it_was_and_what_it_is(rate: float, starts: int, seconds: float) -> None:
    now = starts / seconds
    smoothed = smoothed_rate(rate, starts, seconds)
    slack = 1e-6 * (1 + max(rate, now))
    assert min(rate, now) - slack <= smoothed <= max(rate, now) + slack


@given(rate=rates, starts=st.integers(0, 1_000), seconds=st.floats(-1.0, 0.0))
def test_no_time_is_no_news(rate: float, starts: int, seconds: float) -> None:
    assert smoothed_rate(rate, starts, seconds) == rate


def test_after_a_fifth_of_a_second_the_past_is_forgotten() -> None:
    assert smoothed_rate(50_000, 0, 0.2) == 0
    assert smoothed_rate(0, 100, 0.5) == 200
    assert smoothed_rate(1_000, 0, 0.1) == 500
