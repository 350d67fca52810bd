"""When a failed attempt is tried again, and when it was the last."""

from __future__ import annotations

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often and how far apart.  The default is ten attempts, 30 s apart, without growth.

    Only attempts that count are limited: one that a shutdown handed back is free.
    """

    attempts: int = 10
    pause: float = 30.0

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 32_000:
            raise ValueError(f"attempts must be between 1 and 32000, not {self.attempts}")
        if not 0 <= self.pause <= 366 * 86_400:
            raise ValueError(f"pause must be between 0 s and 366 days, not {self.pause} s")


def override(policy: RetryPolicy, *, attempts: int | None, pause: float | None) -> RetryPolicy:
    """The kind's policy with what this one task asked for instead."""
    return RetryPolicy(
        attempts=policy.attempts if attempts is None else attempts,
        pause=policy.pause if pause is None else pause,
    )


def may_try_again(policy: RetryPolicy, retries: int) -> bool:
    """Whether a task whose `retries`-th counted attempt just failed gets another."""
    return retries < policy.attempts
