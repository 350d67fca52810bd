"""What results mean, by tables and by random histories."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from windlass_checks.judging import LATE, POINTS, Result, Rules, Shown, State, fold, in_words, is_overdue

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def result(ok: bool, minute: float, task: int = 1) -> Result:
    verdict = "200 OK in 34 ms" if ok else "connection refused"
    return Result(at=NOON + timedelta(minutes=minute), ok=ok, verdict=verdict, response_ms=34.0, task=task)


USUAL = Rules()


def play(marks: str, rules: Rules = USUAL) -> tuple[State, list[Shown], list[str]]:
    """A result a minute, "+" or "-": the last state, what was shown after each, and what was told."""
    state, shown, told = State(), [], []
    for minute, mark in enumerate(marks):
        folded = fold(state, result(mark == "+", minute, minute), rules)
        state = folded.state
        shown.append(state.shown)
        if folded.transition:
            told.append(in_words(folded.transition))
    return state, shown, told


@pytest.mark.parametrize(
    ("marks", "rules", "shown"),
    [
        ("+", Rules(), "up"),
        ("-", Rules(), "unknown"),
        ("--", Rules(), "unknown down"),
        ("-", Rules(fail_after=1), "down"),
        ("+-", Rules(), "up up"),
        ("+--", Rules(), "up up down"),
        ("+-+-+-", Rules(), "up up up up up up"),
        ("--+", Rules(), "unknown down up"),
        ("--+", Rules(recover_after=2), "unknown down down"),
        ("--+-++", Rules(recover_after=2), "unknown down down down down up"),
        ("++", Rules(recover_after=3), "unknown unknown"),
    ],
)
def test_enough_results_in_a_row_change_the_state(marks, rules, shown):
    assert play(marks, rules)[1] == shown.split()


def test_a_transition_says_since_when_after_how_many_and_why():
    told = play("+--" + "-" * 3 + "+")[2]
    assert told == [
        "up since 12:00 UTC: 200 OK in 34 ms",
        "down since 12:01 UTC after 2 failures: connection refused",
        "up since 12:06 UTC, after 5 min down: 200 OK in 34 ms",
    ]
    assert play("-", Rules(fail_after=1))[2] == ["down since 12:00 UTC after 1 failure: connection refused"]


def test_too_many_changes_in_a_window_are_flapping_which_stays_until_it_is_calm():
    rules = Rules(fail_after=1, flap_changes=3, flap_window=600)
    state, shown, told = play("+-+-+-+" + "+" * 9, rules)
    assert shown[:4] == ["up", "down", "up", "flapping"]
    assert set(shown[4:]) == {"flapping"}, "it changes on, nobody is told, and calm needs a whole window"
    assert told[3:] == [
        "flapping since 12:03 UTC: 3 changes between up and down; nothing more is told until it is calm"
    ]
    calm = fold(state, result(True, 16), rules)
    assert calm.state.shown == "up"
    assert calm.transition is not None
    assert in_words(calm.transition) == "calm again after flapping: up since 12:06 UTC: 200 OK in 34 ms"
    assert calm.state.changes == ()


def test_flapping_that_ends_with_a_long_failure_ends_down():
    rules = Rules(fail_after=1, flap_changes=2, flap_window=300)
    state, shown, _ = play("+-+-" + "-" * 6, rules)
    assert (shown[3], state.shown) == ("flapping", "down")
    assert state.since == NOON + timedelta(minutes=3)


def test_only_changes_within_one_window_are_flapping():
    """A change a minute: four minutes hold four of them."""
    enough, too_few = (
        Rules(fail_after=1, flap_changes=4, flap_window=240),
        Rules(fail_after=1, flap_changes=5, flap_window=240),
    )
    assert "flapping" in play("+-" * 20, enough)[1]
    assert "flapping" not in play("+-" * 20, too_few)[1]


def test_a_result_that_is_late_changes_nothing():
    state = play("+--")[0]
    for minute in (0.5, 1, 2):
        late = fold(state, result(True, minute, 99), Rules())
        assert late.is_late
        assert late.state is state
        assert late.transition is None


def test_a_clock_that_was_far_ahead_does_not_silence_the_others():
    ahead = fold(State(), result(True, 600), Rules()).state
    folded = fold(ahead, result(False, 0), Rules(fail_after=1))
    assert not folded.is_late
    assert folded.state.shown == "down"


def test_what_was_not_heard_of_for_three_intervals_is_overdue():
    state = play("+")[0]
    assert state.last is not None
    at = state.last.at
    assert not is_overdue(state, 60, 10, at + timedelta(seconds=240))
    assert is_overdue(state, 60, 10, at + timedelta(seconds=251))
    assert not is_overdue(State(), 60, 10, at)


histories = st.lists(st.tuples(st.booleans(), st.floats(0.01, 30)), min_size=1, max_size=60)
rules = st.builds(
    Rules,
    fail_after=st.integers(1, 4),
    recover_after=st.integers(1, 4),
    flap_changes=st.integers(2, 6),
    flap_window=st.floats(60, 3_600),
)


@settings(deadline=None)
@given(histories, rules)
def test_in_any_history_the_state_is_what_the_newest_results_say(history, rules):
    state, now, seen = State(), 0.0, []
    for number, (ok, pause) in enumerate(history):
        now += pause
        before = state
        folded = fold(state, result(ok, now, number), rules)
        state = folded.state
        seen.append(ok)
        assert not folded.is_late
        assert (folded.transition is not None) == (state.shown != before.shown)
        wanted = rules.recover_after if ok else rules.fail_after
        if len(seen) >= wanted and set(seen[-wanted:]) == {ok}:
            assert state.steady == ("up" if ok else "down")
        elif before.steady != "unknown":
            assert state.steady == before.steady
        assert state.shown in (state.steady, "flapping")
        assert (state.since is None) == (state.shown == "unknown") or before.shown == "unknown"
        assert len(state.changes) <= len(seen)
        assert len(state.recent) == min(len(seen), POINTS)
        assert state.streak >= 1


@settings(deadline=None)
@given(histories, rules, st.floats(0, LATE.total_seconds() / 60))
def test_in_any_history_a_late_result_changes_nothing(history, rules, lateness):
    state, now = State(), 0.0
    for number, (ok, pause) in enumerate(history):
        now += pause
        state = fold(state, result(ok, now, number), rules).state
    for ok in (True, False):
        assert fold(state, result(ok, now - lateness), rules).state == state
