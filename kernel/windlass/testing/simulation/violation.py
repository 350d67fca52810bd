"""How an invariant says that it does not hold."""

from __future__ import annotations


class Violation(AssertionError):
    """An invariant does not hold."""


def hold(condition: bool, otherwise: str) -> None:
    """Raises `Violation` with the words of `otherwise` when the condition is not met."""
    if not condition:
        raise Violation(otherwise)
