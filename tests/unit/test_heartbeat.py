"""The heartbeat's own judgement of its lease: by a clock that nobody sets."""

from __future__ import annotations

import time
from typing import Any

import pytest
from windlass.core.leases import LeaseTimes
from windlass.host.heartbeat import Heartbeat

HOUR = 3_600


def heartbeat(joined: float) -> Heartbeat:
    nobody: Any = None
    return Heartbeat(nobody, 1, LeaseTimes(lease=30.0, renew=5.0), joined, lambda _: None)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_wall_clock_that_jumps_neither_costs_nor_saves_a_lease(monkeypatch: pytest.MonkeyPatch, jump: int):
    wall, now = time.time(), time.monotonic()
    fresh, old = heartbeat(now), heartbeat(now - HOUR / 2)
    monkeypatch.setattr(time, "time", lambda: wall + jump)
    assert (fresh.may_start_work(), fresh.must_stop_work()) == (True, False)
    assert (old.may_start_work(), old.must_stop_work()) == (False, True)
