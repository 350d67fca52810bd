"""From what a handler did to what the store is told: one place for outcomes, exceptions and the limit of attempts."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from windlass.core.lifecycle import Verdict
from windlass.core.retry import RetryPolicy, may_try_again, override, pause_after
from windlass.handler import Failed, Outcome, Rejected, Retry, Success
from windlass.host.context import clean, clean_json
from windlass.store.facts import Claimed

LARGEST_RESULT = 1024 * 1024


class Decision(msgspec.Struct, frozen=True):
    verdict: Verdict
    message: str = ""
    result: str | None = None
    pause: float = 0.0


def decide(outcome: object, claimed: Claimed, policy: RetryPolicy) -> Decision:
    """What becomes of the task, by what its attempt returned and how many attempts it had.  Never raises."""
    try:
        match outcome:
            case Success():
                return _with_result(Verdict.SUCCESS, "", outcome.result)
            case Failed():
                return _with_result(Verdict.FAILED, str(outcome.message), outcome.result)
            case Retry():
                asked = override(policy, attempts=claimed.attempt_limit, pause=claimed.retry_pause)
                return _again(outcome, claimed, asked)
        wrong = f"{type(outcome).__name__}, not Success, Failed or Retry"
    except Exception as error:  # noqa: BLE001 - outcomes are not checked where they are made
        wrong = f"an outcome that can't be kept: {type(error).__name__}: {error}"
    return Decision(Verdict.FAILED, clean(f"the handler of {claimed.kind} returned {wrong}"))


def outcome_of(error: BaseException) -> Outcome:
    """An exception as an outcome: bad input fails at once, anything else is tried again."""
    if isinstance(error, Rejected):
        return Failed(str(error) or "rejected")
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is a plugin's exception
        text = ""
    return Retry(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _again(outcome: Retry, claimed: Claimed, policy: RetryPolicy) -> Decision:
    if not may_try_again(policy, claimed.retries):
        message = f"{outcome.message} (attempt {claimed.retries} of {policy.attempts}, the last)"
        return _with_result(Verdict.FAILED, message, outcome.result)
    if outcome.after is None:
        pause = pause_after(policy, claimed.retries, random.random())  # noqa: S311 - no secret: it spreads retries
    else:
        pause = max(0.0, outcome.after.total_seconds())
    return Decision(Verdict.RETRY, clean(str(outcome.message)), pause=pause)


def _with_result(verdict: Verdict, message: str, result: Any) -> Decision:
    if result is None:
        return Decision(verdict, clean(message))
    try:
        text = clean_json(result)
    except (TypeError, ValueError, RecursionError) as error:
        return Decision(Verdict.FAILED, clean(f"the result can't be kept as JSON: {error}"))
    size = len(text) if text.isascii() else len(text.encode())
    if size > LARGEST_RESULT:
        return Decision(Verdict.FAILED, f"the result has {size} bytes; at most {LARGEST_RESULT} are kept")
    return Decision(verdict, clean(message), text)
