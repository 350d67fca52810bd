"""What more than one command shows: tasks in the queue, cards of the history and lanes as lists; states as labels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from windlass_cli import documents, words
from windlass_cli.forms import Column, Form

if TYPE_CHECKING:
    from windlass_client import Card, Lane, Pause, Task


def state(word: str) -> Any:
    """A state as its label in its colour."""
    from windlass_cli import screen

    return screen.state(word)


def standing(pause: Pause | None) -> Any:
    """Whether it is paused, as a label."""
    return state("PAUSED" if pause else "ACTIVE")


def badge(priority: int) -> Any:
    from windlass_cli import screen

    return screen.badge(priority)


def labels(labels: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _title(text: str, *, known: bool) -> tuple[str, str]:
    return text, "" if known else "dim italic"


def _started(task: Task) -> str:
    return words.DASH if task.state == "PENDING" else words.when(task.started)


def _progress(task: Task) -> str:
    if not task.progress:
        return ""
    return f"{task.progress.current}/{task.progress.total}" if task.progress.total else str(task.progress.current)


def _took(task: Task) -> str:
    """From its start; of one that was tried again, from its creation: a list does not say when its first try began."""
    begin = task.created if task.attempt > 1 and task.started else task.started
    return words.between(begin, task.ended or datetime.now(UTC))


TASKS: Form[Task] = Form(
    columns=(
        Column("Origin", lambda task: words.label(task.origin)),
        Column("ID", lambda task: task.id, number=True),
        Column("Status", lambda task: state(task.state)),
        Column("Title", lambda task: _title(words.title(task), known=bool(task.title)), gives_way=True),
        Column("Created", lambda task: words.when(task.created)),
        Column("Started", _started),
        Column("Retries", lambda task: task.retries, number=True),
        Column("Priority", lambda task: badge(task.priority)),
        Column("Type", lambda task: task.kind),
        Column("Pool", lambda task: task.pool, wide=True),
        Column("Trigger", lambda task: task.trigger, wide=True),
        Column("Initiator", lambda task: task.initiator, wide=True),
        Column("Stage", lambda task: task.stage, wide=True),
        Column("Progress", _progress, wide=True, number=True),
        Column("Node", lambda task: task.node, wide=True),
        Column("Labels", lambda task: labels(task.labels), wide=True),
    ),
    empty="Nothing is running, nothing waits.",
    document=documents.of_task,
)

CARDS: Form[Card] = Form(
    columns=(
        Column("Status", lambda card: state(card.state)),
        Column("Created", lambda card: words.when(card.task.created)),
        Column("Title", lambda card: _title(words.title_of_card(card), known=bool(card.task.title)), gives_way=True),
        Column("Initiator", lambda card: card.task.initiator),
        Column("Duration", lambda card: _took(card.task), number=True),
        Column("ID", lambda card: card.id, number=True),
        Column("Type", lambda card: card.task.kind, wide=True),
        Column("Origin", lambda card: words.label(card.task.origin), wide=True),
        Column("Trigger", lambda card: card.task.trigger, wide=True),
        Column("Retries", lambda card: card.task.retries, wide=True, number=True),
        Column("Priority", lambda card: badge(card.task.priority), wide=True),
        Column("Node", lambda card: card.task.node, wide=True),
        Column("Labels", lambda card: labels(card.task.labels), wide=True),
        Column("Message", lambda card: card.task.message, wide=True),
    ),
    empty="No task has been started yet.",
    document=documents.of_card,
)

LANES: Form[Lane] = Form(
    columns=(
        Column("Lane", lambda lane: lane.name),
        Column("Holder", lambda lane: f"task {lane.holder.task}" if lane.holder else "free"),
        Column("Since", lambda lane: words.when(lane.holder.since) if lane.holder else words.DASH),
        Column("Waiting", lambda lane: len(lane.waiters), number=True),
        Column("Next", lambda lane: ", ".join(str(each.task) for each in lane.waiters[:5]), gives_way=True),
        Column("Fence", lambda lane: lane.fence, wide=True, number=True),
        Column("Node", lambda lane: lane.holder.node if lane.holder else "", wide=True),
    ),
    empty="No task has ever asked for a lane.",
)
