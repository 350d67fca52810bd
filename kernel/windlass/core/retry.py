"""When a failed attempt is tried again, and when it was the last."""

from __future__ import annotations

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often and how far apart.  The default is ten attempts, 30 s apart, without growth.

    Only attempts that count are limited: one that a shutdown handed back is free.
    """

    attempts: int = 10
    pause: float = 30.0
    growth: float = 1.0
    """Each pause is so many times the last one."""
    longest: float = 3600.0
    jitter: bool = False
    """Anything from nothing to the whole pause (full jitter), so that what failed together is not tried together."""

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 32_000:
            raise ValueError(f"attempts must be between 1 and 32000, not {self.attempts}")
        if not 0 <= self.pause <= 366 * 86_400:
            raise ValueError(f"pause must be between 0 s and 366 days, not {self.pause} s")
        if not 1 <= self.growth <= 100:
            raise ValueError(f"growth must be between 1 and 100, not {self.growth}")
        if not 0 <= self.longest <= 366 * 86_400:
            raise ValueError(f"longest must be between 0 s and 366 days, not {self.longest} s")


def override(policy: RetryPolicy, *, attempts: int | None, pause: float | None) -> RetryPolicy:
    """The kind's policy with what this one task asked for instead."""
    return msgspec.structs.replace(
        policy,
        attempts=policy.attempts if attempts is None else attempts,
        pause=policy.pause if pause is None else pause,
    )


def pause_after(policy: RetryPolicy, retries: int, chance: float) -> float:
    """Seconds to wait after the `retries`-th counted attempt; `chance` is a random number from 0 to 1.

    Without growth it is the policy's pause, whatever `longest` says.  Full jitter is after
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    pause = policy.pause
    if policy.growth > 1:
        # The exponent is bounded: a float overflows at 10^308.
        pause = min(policy.longest, pause * policy.growth ** min(retries - 1, 150))
    return pause * chance if policy.jitter else pause


def may_try_again(policy: RetryPolicy, retries: int) -> bool:
    """Whether a task whose `retries`-th counted attempt just failed gets another."""
    return retries < policy.attempts
