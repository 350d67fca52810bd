"""From what a handler returned or raised to what the store is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from windlass import Failed, Outcome, Rejected, Retry, RetryPolicy, Success
from windlass.core.lifecycle import Verdict
from windlass.host.verdicts import LARGEST_RESULT, Decision, decide, outcome_of
from windlass.store.facts import Claimed

POLICY = RetryPolicy(attempts=10, pause=30.0)


def _claimed(attempt: int = 1, uncounted: int = 0, limit: int | None = None, pause: float | None = None) -> Claimed:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Claimed(
        id=7,
        attempt=attempt,
        uncounted=uncounted,
        kind="Greet",
        priority=5,
        next_try_at=now,
        payload=b"{}",
        title="",
        trigger="api",
        initiator="ada",
        labels=b"{}",
        created_at=now,
        attempt_limit=limit,
        retry_pause=pause,
    )


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (Success(), Decision(Verdict.SUCCESS)),
        (Success({"a": 1}), Decision(Verdict.SUCCESS, "", '{"a":1}')),
        (Success(0), Decision(Verdict.SUCCESS, "", "0")),
        (Failed("no"), Decision(Verdict.FAILED, "no")),
        (Failed("no", result=[1]), Decision(Verdict.FAILED, "no", "[1]")),
        (Retry("later"), Decision(Verdict.RETRY, "later", pause=30.0)),
        (Retry("later", after=timedelta(seconds=2)), Decision(Verdict.RETRY, "later", pause=2.0)),
        (Retry("later", after=timedelta(seconds=-2)), Decision(Verdict.RETRY, "later", pause=0.0)),
        (Retry("later", after=timedelta(0)), Decision(Verdict.RETRY, "later", pause=0.0)),
    ],
)
def test_an_outcome_is_decided_by_what_it_is(outcome: Outcome, decision: Decision) -> None:
    assert decide(outcome, _claimed(), POLICY) == decision


def test_the_ninth_attempt_is_tried_again_and_the_tenth_fails() -> None:
    assert decide(Retry("later"), _claimed(attempt=9), POLICY).verdict is Verdict.RETRY
    last = decide(Retry("later", result={"tried": 10}), _claimed(attempt=10), POLICY)
    assert last == Decision(Verdict.FAILED, "later (attempt 10 of 10, the last)", '{"tried":10}')


def test_attempts_that_a_shutdown_handed_back_are_free() -> None:
    assert decide(Retry("later"), _claimed(attempt=12, uncounted=3), POLICY).verdict is Verdict.RETRY
    assert decide(Retry("later"), _claimed(attempt=13, uncounted=3), POLICY).verdict is Verdict.FAILED


def test_what_the_task_asked_for_wins_over_its_kind() -> None:
    assert decide(Retry("later"), _claimed(limit=1), POLICY).verdict is Verdict.FAILED
    assert decide(Retry("later"), _claimed(pause=0.5), POLICY).pause == 0.5
    asked = decide(Retry("later", after=timedelta(seconds=9)), _claimed(pause=0.5), POLICY)
    assert asked.pause == 9.0, "what the handler asks for now is newer than both"


@pytest.mark.parametrize("returned", [None, True, "done", {"ok": 1}, Success])
def test_something_that_is_no_outcome_fails_the_task_and_says_so(returned: object) -> None:
    decision = decide(returned, _claimed(), POLICY)
    assert decision.verdict is Verdict.FAILED
    expected = f"the handler of Greet returned {type(returned).__name__}, not Success, Failed or Retry"
    assert decision.message == expected


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize("result", [object(), {1, object()}, {"name": b"\xff".decode("utf-8", "surrogateescape")}])
def test_a_result_that_is_no_json_fails_the_task(result: object) -> None:
    decision = decide(Success(result), _claimed(), POLICY)
    assert decision.verdict is Verdict.FAILED
    assert "the result can't be kept as JSON" in decision.message


def test_a_result_that_holds_itself_fails_the_task() -> None:
    assert decide(Success(_endless()), _claimed(), POLICY).verdict is Verdict.FAILED


def test_a_result_larger_than_the_largest_fails_the_task() -> None:
    assert decide(Success("x" * (LARGEST_RESULT - 2)), _claimed(), POLICY).verdict is Verdict.SUCCESS
    decision = decide(Success("x" * (LARGEST_RESULT - 1)), _claimed(), POLICY)
    assert decision == Decision(
        Verdict.FAILED, f"the result has {LARGEST_RESULT + 1} bytes; at most {LARGEST_RESULT} are kept"
    )


def test_a_result_is_measured_in_bytes() -> None:
    assert decide(Success("é" * (LARGEST_RESULT // 2)), _claimed(), POLICY).verdict is Verdict.FAILED


def test_a_nul_in_a_message_or_a_result_is_replaced() -> None:
    assert decide(Failed("a\0b", result="a\0b"), _claimed(), POLICY) == Decision(
        Verdict.FAILED, "a\N{REPLACEMENT CHARACTER}b", '"a\\ufffdb"'
    )


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Failed(ValueError("broken")), "broken"),  # type: ignore[arg-type]
        (Retry("later", after=30), "returned an outcome that can't be kept: AttributeError"),  # type: ignore[arg-type]
    ],
)
def test_an_outcome_with_something_wrong_inside_still_ends_the_attempt(outcome: Outcome, words: str) -> None:
    decision = decide(outcome, _claimed(), POLICY)
    assert decision.verdict is Verdict.FAILED
    assert words in decision.message


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Rejected("bad input"), Failed("bad input")),
        (Rejected(), Failed("rejected")),
        (ValueError("no"), Retry("ValueError: no")),
        (OSError(), Retry("OSError")),
        (SystemExit(3), Retry("SystemExit: 3")),
        (asyncio.CancelledError(), Retry("CancelledError")),
    ],
)
def test_bad_input_fails_at_once_and_any_other_exception_is_tried_again(error: BaseException, outcome: Outcome) -> None:
    assert outcome_of(error) == outcome
