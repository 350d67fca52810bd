"""Every state a task can be in and every way from one to another.  There is no second place.

A request is written once and never touched; where it stands is a row in one of four narrow tables, and what became
of it is appended.  So a transition is a move of that row, in one statement, guarded by the columns it matched on: that
is the whole of our locking.  `pending` is three places: `ready` (due), `deferred` (not due yet) and `blocked` (waits
for a slot of its concurrency key, for other tasks, or for its twin).

The fence: each claim raises `attempt`; whatever an attempt writes must match (task, attempt, node).  A transition
that finds its row moved did not happen, and its writer learns so from the rows that come back.

The diagrams in kernel/README.md are drawn from `TRANSITIONS`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class State(IntEnum):
    """Where a task stands.  The numbers are stored and sent; they never change their meaning."""

    PENDING = 1
    RUNNING = 2
    CANCELLING = 3
    COMPLETED = 4
    FAILED = 5
    CANCELED = 6

    @property
    def final(self) -> bool:
        return self >= State.COMPLETED


class CardState(IntEnum):
    """What history says: RUNNING from the first claim to the end, waits between attempts included."""

    RUNNING = 1
    COMPLETED = 2
    FAILED = 3
    CANCELED = 4


class Verdict(IntEnum):
    """How one attempt ended.  The numbers are stored and sent."""

    RUNNING = 1
    SUCCESS = 2
    FAILED = 3
    RETRY = 4
    CANCELED = 5
    LOST = 6
    RETURNED = 7


class Transition(NamedTuple):
    source: State | None
    event: str
    target: State
    note: str = ""


TRANSITIONS = (
    Transition(None, "enqueue", State.PENDING),
    Transition(State.PENDING, "claim", State.RUNNING, "raises attempt"),
    Transition(State.PENDING, "interrupt", State.CANCELED),
    Transition(State.PENDING, "missed success", State.CANCELED, "of a task it needed"),
    Transition(State.PENDING, "queue deadline", State.FAILED),
    Transition(State.RUNNING, "success", State.COMPLETED),
    Transition(State.RUNNING, "failure", State.FAILED),
    Transition(State.RUNNING, "retry", State.PENDING, "after its pause"),
    Transition(State.RUNNING, "last retry", State.FAILED, "the limit is reached"),
    Transition(State.RUNNING, "return", State.PENDING, "shutdown, uncounted"),
    Transition(State.RUNNING, "lost node", State.PENDING),
    Transition(State.RUNNING, "lost node at the limit", State.FAILED),
    Transition(State.RUNNING, "interrupt", State.CANCELLING),
    Transition(State.CANCELLING, "any end", State.CANCELED, "whatever the handler returned"),
    Transition(State.CANCELLING, "lost node", State.CANCELED),
)

FINAL = {Verdict.SUCCESS: State.COMPLETED, Verdict.FAILED: State.FAILED, Verdict.CANCELED: State.CANCELED}
"""The verdicts that end a task, with the state each leaves it in.  The others send it back to PENDING."""


def card_state(state: State) -> CardState:
    """What the card of a task says when the task stands at `state`."""
    return {
        State.COMPLETED: CardState.COMPLETED,
        State.FAILED: CardState.FAILED,
        State.CANCELED: CardState.CANCELED,
    }.get(state, CardState.RUNNING)


def diagram() -> str:
    """The table as a Mermaid state diagram, for kernel/README.md."""
    lines = ["stateDiagram-v2"]
    for step in TRANSITIONS:
        source = "[*]" if step.source is None else step.source.name
        lines.append(f"    {source} --> {step.target.name}: {step.event}" + (f" ({step.note})" if step.note else ""))
    lines += [f"    {state.name} --> [*]" for state in State if state.final]
    return "\n".join(lines)
