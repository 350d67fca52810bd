"""How states, priorities, times and durations are called."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from windlass_cli.words import DASH, between, clock, duration, kind_in_words, label, priority_label, size, until

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_kathmandu(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC+05:45: a zone no mistake hides in."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()


@pytest.mark.parametrize(
    ("priority", "word"), [(0, "Low"), (4, "Low"), (5, "Medium"), (9, "Medium"), (10, "High"), (100, "High")]
)
def test_high_is_ten_and_more_and_low_is_less_than_five(priority: int, word: str):
    assert priority_label(priority) == word


def test_states_are_called_by_their_labels():
    states = ["PENDING", "RUNNING", "CANCELLING", "COMPLETED", "FAILED", "CANCELED"]
    assert [label(each) for each in states] == ["Pending", "Running", "Cancelling", "Completed", "Failed", "Canceled"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.00 s"),
        (0.123, "0.12 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_durations_are_short(seconds: float, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOW, "17:45:00"),
        (NOW - timedelta(hours=17), "00:45:00"),
        (NOW - timedelta(hours=18), "21 Nov 23:45"),
        (NOW - timedelta(days=400), "2025-10-18 17:45"),
        (None, DASH),
    ],
)
def test_times_are_local_and_as_short_as_they_can_be(at: datetime | None, text: str):
    assert clock(at, NOW) == text


def test_a_time_that_is_missing_is_a_dash():
    assert (between(None, NOW), between(NOW, None)) == (DASH, DASH)
    assert between(NOW, NOW + timedelta(seconds=3)) == "3.00 s"


def test_what_is_due_is_now():
    assert until(NOW, NOW) == until(None, NOW) == until(NOW - timedelta(days=1), NOW) == "now"
    assert until(NOW + timedelta(seconds=30), NOW) == "in 30.0 s"


def test_a_kind_is_told_in_words():
    kinds = {"ExecuteScript": "Execute script", "RebuildASNPages": "Rebuild asnpages", "Noop": "Noop", "": ""}
    assert {kind: kind_in_words(kind) for kind in kinds} == kinds


def test_sizes_are_short():
    assert [size(count) for count in (1, 999, 12_345, 9_876_543)] == ["1 bytes", "999 bytes", "12.3 kB", "9.9 MB"]
