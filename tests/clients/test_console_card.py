"""The parts of the console's task card that need no browser: its time axis, and what it hides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from windlass_client import Attempt, Outcome, Step, StepType
from windlass_console.masking import HIDDEN, marked_names, masked
from windlass_console.timeline import SHOWN_LINES, WIDTH, Bar, sections

BEGIN = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def attempt(number: int, start: float, end: float | None) -> Attempt:
    outcome = Outcome.RUNNING if end is None else Outcome.RETRY
    return Attempt(number, outcome, "node/1", at(start), None if end is None else at(end), "")


def step(attempt: int, seconds: float, type: StepType, text: str) -> Step:
    return Step(attempt * 10_000_000 + round(seconds * 1000), attempt, at(seconds), type, text, None)


def test_a_stage_ends_where_the_next_begins_and_one_that_was_entered_twice_is_one_row() -> None:
    steps = [step(1, second, StepType.STAGE, name) for second, name in ((0, "read"), (2, "write"), (3, "read"))]
    (section,) = sections([attempt(1, 0, 10)], steps, at(99), whole=False)
    assert [(stage.name, stage.begin, stage.seconds) for stage in section.stages] == [("read", 0, 9), ("write", 2, 1)]
    assert section.stages[0].bars == (Bar(0, 200), Bar(300, 700))


def test_attempts_lie_on_one_axis_with_the_waits_between_them_and_the_running_one_grows_until_now() -> None:
    second, first = sections([attempt(1, 0, 2), attempt(2, 8, None)], [], at(10), whole=False)
    assert (first.bar, first.running, first.seconds) == (Bar(0, 200), False, 2)
    assert (second.bar, second.running, second.seconds) == (Bar(800, 200, moving=True), True, 2)


def test_a_bar_is_always_seen_and_never_leaves_its_axis() -> None:
    made = sections([attempt(1, 0, 1000), attempt(2, 1000, 1000), attempt(3, 1000, 999)], [], at(1000), whole=False)
    bars = [section.bar for section in made]
    assert all(bar and bar.width >= 6 and bar.left >= 0 and bar.left + bar.width <= WIDTH for bar in bars)


def test_of_a_long_timeline_the_newest_lines_are_kept_and_the_rest_is_counted() -> None:
    steps = [step(1, second / 10, StepType.STEP, str(second)) for second in range(SHOWN_LINES + 50)]
    (section,) = sections([attempt(1, 0, 100)], steps, at(100), whole=False)
    assert (section.left_out, len(section.lines), section.lines[0].step.text) == (50, SHOWN_LINES, "50")
    (section,) = sections([attempt(1, 0, 100)], steps, at(100), whole=True)
    assert (section.left_out, len(section.lines), section.lines[1].gap) == (0, SHOWN_LINES + 50, 0.1)


def test_what_looks_like_a_secret_or_is_marked_as_one_is_hidden_with_all_that_is_below_it() -> None:
    value = {
        "env": {"DB_PASSWORD": "a", "PATH": "/bin", "key": "b", "monkey": "c"},
        "secrets": {"db": ["d", {"name": "e"}]},
        "apiKey": 7,
        "pin": "f",
        "token": "",
        "use_token": True,
    }
    assert masked(value, {"pin"}) == {
        "env": {"DB_PASSWORD": HIDDEN, "PATH": "/bin", "key": HIDDEN, "monkey": "c"},
        "secrets": {"db": [HIDDEN, {"name": HIDDEN}]},
        "apiKey": HIDDEN,
        "pin": HIDDEN,
        "token": "",
        "use_token": True,
    }


def test_json_that_is_nested_without_end_is_cut() -> None:
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    assert "nested too deep" in str(masked(deep))


def test_a_schema_marks_what_it_says_is_only_written() -> None:
    inner = {"properties": {"pin": {"writeOnly": True}, "name": {"type": "string"}, "properties": {"type": "object"}}}
    assert list(marked_names({"$defs": {"Card": inner}, "anyOf": [{"properties": {"x": {"writeOnly": True}}}]})) == [
        "pin",
        "x",
    ]
