"""What is wrong with a schedule is said with what to change."""

from __future__ import annotations

from typing import Any

import pytest
from windlass.core.schedules import CatchUp, Overlap, Schedule, check_schedule
from windlass.errors import ScheduleInvalid


@pytest.mark.parametrize(
    "times",
    [
        {"cron": "*/5 * * * *", "zone": "Europe/Berlin"},
        {"cron": "0 0 29 2 MON#5"},
        {"cron": "0 22 * * 1-5", "zone": "America/Argentina/Buenos_Aires"},
        {"interval": 1.0},
        {"interval": 366 * 86_400.0},
        {"interval": 5.0, "catch_up": CatchUp.ALL, "overlap": Overlap.ALLOW},
    ],
)
def test_a_schedule_that_can_work_is_taken(times: dict[str, Any]) -> None:
    check_schedule(Schedule("nightly", "Noop", **times))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"cron": "61 * * * *"},
            "cron",
            "minute '61' is wrong in cron '61 * * * *' (0-59; *, lists, ranges and steps)",
        ),
        ({"cron": "0 24 * * *"}, "cron", "hour '24' is wrong"),
        ({"cron": "0 0 30 2 *"}, "cron", "day-of-month '30' is wrong"),
        ({"cron": "0 0 * * MONDAY"}, "cron", "day-of-week 'MONDAY' is wrong in cron '0 0 * * MONDAY' (0-7 or SUN-SAT"),
        ({"cron": "*/0 * * * *"}, "cron", "minute '*/0' is wrong"),
        ({"cron": "@daily"}, "cron", "has 1 fields, not five (minute, hour, day-of-month, month, day-of-week)"),
        ({"cron": "* * * * * *"}, "cron", "has 6 fields, not five"),
        ({"cron": ""}, "cron", "has 0 fields, not five"),
        ({"cron": "0 0 * * *", "zone": "Europe/Berln"}, "time_zone", "'Europe/Berln'; did you mean Europe/Berlin?"),
        ({"cron": "0 0 * * *", "zone": "europe"}, "time_zone", "there is no time zone 'europe'"),
        ({"cron": "0 0 * * *", "zone": "Europe"}, "time_zone", "there is no time zone 'Europe'"),
        ({"cron": "0 0 * * *", "zone": "../etc/passwd"}, "time_zone", "use an IANA name, such as Europe/Berlin"),
        ({"cron": "0 0 * * *", "zone": ""}, "time_zone", "use an IANA name"),
        ({"cron": "0 0 * * *", "interval": 5.0}, "cron", "needs exactly one of cron and interval"),
        ({}, "cron", "needs exactly one of cron and interval"),
        ({"interval": 0.5}, "interval", "must be from 1 s to 366 days, not 0.5 s"),
        ({"interval": float("nan")}, "interval", "must be from 1 s to 366 days"),
        ({"interval": 1e12}, "interval", "must be from 1 s to 366 days"),
        ({"interval": 5.0, "catch_up": CatchUp.ALL}, "overlap", "set overlap to allow"),
        ({"interval": 5.0, "name": ""}, "name", "1 to 100 characters of a-z"),
        ({"interval": 5.0, "name": "every day"}, "name", "'every day' does not"),
        ({"interval": 5.0, "name": "n" * 101}, "name", "1 to 100 characters"),
        ({"interval": 5.0, "name": "a\0b"}, "name", "1 to 100 characters"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ScheduleInvalid) as refused:
        check_schedule(Schedule(**({"name": "nightly", "kind": "Noop"} | changes)))
    assert words in refused.value.message
    assert refused.value.field == f"schedule.{field}"
