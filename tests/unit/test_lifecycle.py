"""The one table of states."""

from __future__ import annotations

import pytest
from windlass.core.lifecycle import FINAL, TRANSITIONS, CardState, State, Verdict, card_state

LIVE = [state for state in State if not state.final]


def _reach(sources: set[State | None]) -> set[State | None]:
    """Every state that a way through the table leads to."""
    found = set(sources)
    while more := {step.target for step in TRANSITIONS if step.source in found} - found:
        found |= more
    return found


def test_every_state_is_reached_from_an_enqueue() -> None:
    assert _reach({None}) == {None, *State}


def test_a_final_state_has_no_way_out() -> None:
    assert [step for step in TRANSITIONS if step.source is not None and step.source.final] == []


def test_completed_failed_and_canceled_are_the_final_states() -> None:
    assert {state for state in State if state.final} == {State.COMPLETED, State.FAILED, State.CANCELED}


@pytest.mark.parametrize("state", LIVE)
def test_no_task_is_stuck_in_a_live_state(state: State) -> None:
    assert any(found is not None and found.final for found in _reach({state}))


@pytest.mark.parametrize("state", LIVE)
def test_every_live_task_can_be_interrupted_to_its_end(state: State) -> None:
    if state is not State.CANCELLING:
        [step] = [step for step in TRANSITIONS if step.source is state and step.event == "interrupt"]
        state = step.target
    assert state is State.CANCELED or _reach({state}) == {state, State.CANCELED}


def test_one_event_leads_from_a_state_to_one_other() -> None:
    steps = [(step.source, step.event) for step in TRANSITIONS]
    assert len(steps) == len(set(steps))


def test_the_only_way_into_the_table_is_an_enqueue() -> None:
    assert [step.event for step in TRANSITIONS if step.source is None] == ["enqueue"]


def test_a_verdict_ends_a_task_or_sends_it_back_to_wait() -> None:
    assert FINAL == {
        Verdict.SUCCESS: State.COMPLETED,
        Verdict.FAILED: State.FAILED,
        Verdict.CANCELED: State.CANCELED,
    }


@pytest.mark.parametrize(
    ("state", "card"),
    [
        (State.PENDING, CardState.RUNNING),
        (State.RUNNING, CardState.RUNNING),
        (State.CANCELLING, CardState.RUNNING),
        (State.COMPLETED, CardState.COMPLETED),
        (State.FAILED, CardState.FAILED),
        (State.CANCELED, CardState.CANCELED),
    ],
)
def test_a_card_says_running_until_the_task_has_ended(state: State, card: CardState) -> None:
    assert card_state(state) is card


def test_stored_numbers_keep_their_meaning() -> None:
    assert [(state.name, state.value) for state in State] == [
        ("PENDING", 1),
        ("RUNNING", 2),
        ("CANCELLING", 3),
        ("COMPLETED", 4),
        ("FAILED", 5),
        ("CANCELED", 6),
    ]
    assert [(verdict.name, verdict.value) for verdict in Verdict] == [
        ("RUNNING", 1),
        ("SUCCESS", 2),
        ("FAILED", 3),
        ("RETRY", 4),
        ("CANCELED", 5),
        ("LOST", 6),
        ("RETURNED", 7),
    ]
