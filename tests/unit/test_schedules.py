"""When schedules are due: cron with time zones, intervals, catching up; numbers for time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.core.schedules import (
    LATE,
    MOST_CAUGHT_UP,
    MOST_KEPT,
    CatchUp,
    Overlap,
    Plan,
    Schedule,
    Standing,
    TickOutcome,
    due_ticks,
    ticks,
)

BERLIN = "Europe/Berlin"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RAN, SKIPPED, CAUGHT_UP = TickOutcome.RAN, TickOutcome.SKIPPED, TickOutcome.CAUGHT_UP


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def schedule(**changes: Any) -> Schedule:
    times = {} if "cron" in changes else {"interval": 60.0}
    return Schedule(**({"name": "s", "kind": "Noop"} | times | changes))


def plan(asked: Schedule, now: datetime, *, since: datetime = NOON, **standing: Any) -> Plan:
    return due_ticks(asked, Standing(NOON, since, **standing), now)


def fates(made: Plan) -> list[TickOutcome]:
    return [tick.outcome for tick in made.ticks]


# --- cron and zones


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("30 2 * * *", "UTC", "2026-03-28T03:00Z", ["2026-03-29T02:30Z", "2026-03-30T02:30Z"]),
        # Spring: 02:00 to 03:00 is left out. A fixed time comes right after it, and only then at its own time again.
        ("30 2 * * *", BERLIN, "2026-03-28T03:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0,30 2 * * *", BERLIN, "2026-03-29T00:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("15 2,3 * * *", BERLIN, "2026-03-29T00:00Z", ["2026-03-29T03:00+02:00", "2026-03-29T03:15+02:00"]),
        ("30 2 * * *", BERLIN, "2026-03-29T01:00Z", ["2026-03-30T02:30+02:00"]),
        ("*/30 * * * *", BERLIN, "2026-03-29T00:15Z", ["2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z"]),
        ("0 12 * * *", BERLIN, "2026-03-28T09:00Z", ["2026-03-28T11:00Z", "2026-03-29T10:00Z"]),
        # Autumn: 02:00 to 03:00 comes twice. A fixed time comes in the first of the two.
        ("30 2 * * *", BERLIN, "2026-10-24T23:00Z", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("*/30 * * * *", BERLIN, "2026-10-25T00:15Z", ["2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z"]),
        ("0 */2 * * *", BERLIN, "2026-10-24T22:30Z", ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T03:00Z"]),
        # Looked at in the second of the two hours, it does not come again.
        ("30 2 * * *", BERLIN, "2026-10-25T00:30Z", ["2026-10-26T01:30Z"]),
        ("30 2 * * *", BERLIN, "2026-10-25T01:15Z", ["2026-10-26T01:30Z"]),
        ("15,45 2 * * *", BERLIN, "2026-10-25T01:20Z", ["2026-10-26T01:15Z", "2026-10-26T01:45Z"]),
        # Half an hour of daylight saving, and zones far from UTC.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00Z",
            ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
        ),
        ("0 0 1 * *", "Pacific/Kiritimati", "2026-01-30T00:00Z", ["2026-01-31T10:00Z", "2026-02-28T10:00Z"]),
        # Calendars.
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]),
        ("0 9 * * MON-FRI", "UTC", "2026-01-02T10:00Z", ["2026-01-05T09:00Z", "2026-01-06T09:00Z"]),
        ("0 0 L * *", "UTC", "2026-01-31T00:00Z", ["2026-02-28T00:00Z", "2026-03-31T00:00Z"]),
    ],
)
def test_cron_ticks_come_when_the_zones_clocks_say_so(cron: str, zone: str, after: str, expected: list[str]) -> None:
    found = islice(ticks(schedule(cron=cron, zone=zone), NOON, at(after)), len(expected))
    assert list(found) == [at(text) for text in expected]


@given(
    st.sampled_from(["30 2 * * *", "0,30 2,3 * * *", "*/20 * * * *", "0 */3 * * *", "*/15 2 * * *"]),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - the zone is given on the next line
)
def test_wherever_one_begins_to_look_the_ticks_are_the_same(cron: str, zone: str, start: datetime) -> None:
    begin = start.replace(tzinfo=UTC)
    asked = schedule(cron=cron, zone=zone)
    walked = list(islice(ticks(asked, NOON, begin), 20))
    assert walked == sorted(set(walked))
    assert walked[0] > begin
    stepped: list[datetime] = []
    for _ in walked:
        stepped.append(next(ticks(asked, NOON, stepped[-1] if stepped else begin)))
    assert stepped == walked


@pytest.mark.parametrize("month", [(3, 29), (10, 25)])
def test_a_nightly_time_comes_once_each_day_of_a_change_wherever_one_looks(month: tuple[int, int]) -> None:
    asked = schedule(cron="30 2 * * *", zone=BERLIN)
    midnight = datetime(2026, *month, tzinfo=UTC) - timedelta(hours=3)
    once = next(ticks(asked, NOON, midnight))
    for minutes in range(24 * 60):
        found = next(ticks(asked, NOON, midnight + timedelta(minutes=minutes)))
        assert found == once or found - once > timedelta(hours=23)


# --- intervals


def test_intervals_keep_step_with_the_making_of_the_schedule_and_do_not_drift() -> None:
    late = plan(schedule(interval=10.0), NOON + timedelta(seconds=13.7))
    assert [tick.due_at for tick in late.ticks] == [NOON + timedelta(seconds=10)]
    assert late.next_at == NOON + timedelta(seconds=20)
    years = next(ticks(schedule(interval=0.1 + 1), NOON, NOON + timedelta(days=3_650)))
    assert (years - NOON) % timedelta(seconds=1.1) == timedelta()


def test_the_first_tick_of_an_interval_comes_after_one_interval() -> None:
    assert plan(schedule(), NOON) == Plan((), NOON, NOON + timedelta(seconds=60))


def test_a_clock_that_was_put_back_fires_nothing_again() -> None:
    before = NOON - timedelta(hours=1)
    assert plan(schedule(), before) == Plan((), NOON, NOON + timedelta(seconds=60))


# --- what becomes of each


def test_a_tick_is_on_time_as_long_as_a_change_of_leader_takes_and_later_it_is_missed() -> None:
    asked = schedule(interval=3600.0, catch_up=CatchUp.SKIP)
    due = NOON + timedelta(hours=1)
    assert fates(plan(asked, due)) == [RAN]
    assert fates(plan(asked, due + LATE)) == [RAN]
    [missed] = plan(asked, due + LATE + timedelta(seconds=1)).ticks
    assert (missed.outcome, missed.reason) == (SKIPPED, "missed: nobody was there when it was due")


@pytest.mark.parametrize(
    ("policy", "seconds_after_the_last", "expected"),
    [
        (CatchUp.SKIP, 0, [SKIPPED, SKIPPED, RAN]),
        (CatchUp.SKIP, 1_000, [SKIPPED, SKIPPED, SKIPPED]),
        (CatchUp.ONE, 0, [SKIPPED, SKIPPED, RAN]),
        (CatchUp.ONE, 1_000, [SKIPPED, SKIPPED, CAUGHT_UP]),
        (CatchUp.ALL, 0, [CAUGHT_UP, CAUGHT_UP, RAN]),
        (CatchUp.ALL, 1_000, [CAUGHT_UP, CAUGHT_UP, CAUGHT_UP]),
    ],
)
def test_the_policy_decides_what_becomes_of_three_ticks_after_an_outage(
    policy: CatchUp, seconds_after_the_last: int, expected: list[TickOutcome]
) -> None:
    asked = schedule(interval=3600.0, catch_up=policy, overlap=Overlap.ALLOW)
    made = plan(asked, NOON + timedelta(hours=3, seconds=seconds_after_the_last))
    assert fates(made) == expected
    assert [tick.due_at.hour for tick in made.ticks] == [13, 14, 15]
    assert all(bool(tick.reason) is not tick.fires for tick in made.ticks), "a skipped tick says why"
    assert made.next_at == NOON + timedelta(hours=4)


def test_catching_up_all_is_bounded() -> None:
    asked = schedule(catch_up=CatchUp.ALL, overlap=Overlap.ALLOW)
    made = plan(asked, NOON + timedelta(minutes=MOST_CAUGHT_UP + 3))
    assert fates(made) == [SKIPPED] * 3 + [CAUGHT_UP] * (MOST_CAUGHT_UP - 1) + [RAN]
    assert made.ticks[0].reason == "missed: no more than 100 are caught up"


@pytest.mark.parametrize("times", [{"cron": "* * * * *"}, {"interval": 60.0}])
def test_a_year_away_is_told_in_short_and_nothing_due_is_left_out(times: dict[str, Any]) -> None:
    made = plan(schedule(**times), NOON + timedelta(days=365))
    assert len(made.ticks) == MOST_KEPT + 1
    first, second, *_, last = made.ticks
    assert first.due_at == NOON + timedelta(minutes=1)
    assert first.reason.startswith(f"missed, and with it every tick before {second.due_at.isoformat()}")
    assert (last.due_at, last.outcome) == (NOON + timedelta(days=365), RAN)


def test_a_rare_tick_is_not_forgotten_in_a_long_outage() -> None:
    made = plan(schedule(cron="0 0 1 * *"), NOON + timedelta(days=75))
    assert [tick.due_at for tick in made.ticks] == [at("2026-07-01T00:00Z"), at("2026-08-01T00:00Z")]
    assert fates(made) == [SKIPPED, CAUGHT_UP]


def test_a_tick_is_skipped_while_the_last_task_is_not_over_unless_overlap_is_allowed() -> None:
    now = NOON + timedelta(seconds=60)
    [tick] = plan(schedule(), now, busy=7).ticks
    assert (tick.outcome, tick.reason) == (SKIPPED, "task 7 of an earlier tick is not over")
    assert fates(plan(schedule(overlap=Overlap.ALLOW), now, busy=7)) == [RAN]


def test_ticks_of_a_pause_are_skipped_also_when_they_are_found_out_later() -> None:
    now = NOON + timedelta(minutes=3)
    [*_, tick] = plan(schedule(), now, paused=True).ticks
    assert (tick.outcome, tick.reason) == (SKIPPED, "paused")
    resumed = plan(schedule(), now, resumed_at=NOON + timedelta(seconds=130))
    assert [tick.reason for tick in resumed.ticks] == ["paused", "paused", ""]
