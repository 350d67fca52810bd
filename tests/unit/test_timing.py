"""What people are told of a schedule's times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from windlass.core.schedules import Schedule, Standing
from windlass.core.timing import next_ticks, timing_text

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"cron": "30 4 * * *", "zone": "Europe/Berlin"}, "at 04:30 every day, Europe/Berlin"),
        ({"cron": "* * * * *"}, "every minute, UTC"),
        ({"cron": "15 10 * * MON-FRI"}, "at 10:15 on Monday through Friday, UTC"),
        ({"interval": 1.0}, "every second"),
        ({"interval": 60.0}, "every minute"),
        ({"interval": 90.0}, "every 1 minute 30 seconds"),
        ({"interval": 5400.0}, "every 1 hour 30 minutes"),
        ({"interval": 2 * 86_400.0}, "every 2 days"),
        ({"interval": 2.5}, "every 2.5 seconds"),
        ({"interval": 3600.25}, "every 1 hour 0.25 seconds"),
    ],
)
def test_a_timing_is_said_in_words(times: dict[str, Any], words: str) -> None:
    assert timing_text(Schedule("nightly", "Noop", **times)) == words


def test_the_next_ticks_come_after_now_and_after_what_is_settled() -> None:
    hourly = Schedule("hourly", "Noop", interval=3600.0)
    anchor = NOW - timedelta(minutes=90)
    found = next_ticks(hourly, Standing(anchor, anchor), NOW, 3)
    assert found == [NOW + timedelta(minutes=minutes) for minutes in (30, 90, 150)]
    settled = Standing(anchor, NOW + timedelta(minutes=30))
    assert next_ticks(hourly, settled, NOW, 1) == [NOW + timedelta(minutes=90)], "a tick is told of once"


def test_a_paused_schedule_has_no_next_tick() -> None:
    assert next_ticks(Schedule("a", "Noop", cron="* * * * *"), Standing(NOW, NOW, paused=True), NOW, 5) == []
