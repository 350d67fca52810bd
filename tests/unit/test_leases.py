"""When a node may believe that it is alive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.core.leases import LeaseTimes, may_start_work, must_stop_work

times = st.floats(0.1, 600.0).map(lambda lease: LeaseTimes(lease=lease, renew=lease / 4))
ages = st.floats(0.0, 1_000.0)


@pytest.mark.parametrize(("lease", "renew"), [(30, 7.6), (30, 30), (30, 0), (30, -1), (0, 0), (-4, -1)])
def test_a_beat_that_could_cost_the_lease_is_refused(lease: float, renew: float) -> None:
    with pytest.raises(ValueError, match="at most a quarter of the lease"):
        LeaseTimes(lease=lease, renew=renew)


def test_a_beat_of_a_quarter_of_the_lease_is_enough() -> None:
    assert LeaseTimes(lease=30, renew=7.5).renew == 7.5


def test_the_default_beats_six_times_in_a_lease() -> None:
    assert LeaseTimes().lease / LeaseTimes().renew == 6


@given(times, ages)
def test_a_node_that_must_stop_never_starts_anything(lease: LeaseTimes, age: float) -> None:
    assert not (must_stop_work(lease, age) and may_start_work(lease, age))


@given(times, ages)
def test_a_node_stops_before_the_database_can_give_its_work_away(lease: LeaseTimes, age: float) -> None:
    if age >= lease.lease:
        assert must_stop_work(lease, age)


def test_three_beats_may_fail_before_a_node_takes_no_more_work() -> None:
    lease = LeaseTimes(lease=30, renew=5)
    assert may_start_work(lease, 4 * lease.renew)
    assert not may_start_work(lease, 22.5)
    assert not must_stop_work(lease, 26.9)
    assert must_stop_work(lease, 27.0)
