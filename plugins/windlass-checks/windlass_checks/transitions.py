"""The task that an operator wants for each transition.

Texts of its payload that are *just* `{verdict}`, `{check}`, … are replaced.  One inside a longer text is not: a verdict
holds words of strangers, and put into the middle of a script they would be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from windlass import Wishes

from windlass_checks.judging import Transition, in_words
from windlass_checks.settings import TransitionTask


class Child(NamedTuple):
    kind: str
    payload: dict[str, Any]
    wishes: Wishes


def child_of(check: str, task: TransitionTask | None, transition: Transition) -> Child | None:
    """None without a task, and for the first time that a check is found up: nobody needs to hear that."""
    if task is None or (transition.before, transition.after) == ("unknown", "up"):
        return None
    words = {
        "{check}": check,
        "{before}": transition.before,
        "{after}": transition.after,
        "{since}": transition.since.isoformat(),
        "{verdict}": transition.verdict,
        "{message}": f"{check} is {in_words(transition)}",
    }
    wishes = Wishes(
        name="transition",
        title=f"{check} is {transition.after}",
        labels={"check": check, "before": transition.before, "after": transition.after},
    )
    return Child(task.kind, {key: _filled(value, words) for key, value in task.payload.items()}, wishes)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return words.get(value, value)
    if isinstance(value, Mapping):
        return {key: _filled(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, words) for each in value]
    return value
