"""The queue and the history as tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from windlass_cli import screen, words

if TYPE_CHECKING:
    from windlass_client import Card, Task

NUMBERS = ("ID", "Retries", "Duration")


def active_table(tasks: Sequence[Task]) -> Table:
    now = datetime.now(UTC)
    table = _table("Origin", "ID", "Status", "Title", "Created", "Started", "Retries", "Priority", "Type")
    for task in tasks:
        waiting = task.state == "PENDING"
        table.add_row(
            words.label(task.origin),
            str(task.id),
            screen.state(task.state),
            _title(words.title(task), known=bool(task.title)),
            words.clock(task.created, now),
            words.DASH if waiting else words.clock(task.started, now),
            str(task.retries),
            screen.badge(task.priority),
            screen.styled(task.kind),
        )
    return table


def history_table(cards: Sequence[Card]) -> Table:
    now = datetime.now(UTC)
    table = _table("Status", "Created", "Title", "Initiator", "Duration", "ID")
    for card in cards:
        table.add_row(
            screen.state(card.state),
            words.clock(card.task.created, now),
            _title(words.title_of_card(card), known=bool(card.task.title)),
            screen.styled(card.task.initiator),
            _took(card.task, now),
            str(card.id),
        )
    return table


def _took(task: Task, now: datetime) -> str:
    """From its start; of one that was tried again, from its creation: a list does not say when its first try began."""
    begin = task.created if task.attempt > 1 and task.started else task.started
    return words.between(begin, task.ended or now)


def _title(text: str, *, known: bool) -> Text:
    return screen.cut(screen.styled(text, "" if known else "dim italic"))


def _table(*columns: str) -> Table:
    """Titles give way when the terminal is narrow: the others may not wrap."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column,
            no_wrap=column != "Title",
            justify="right" if column in NUMBERS else "left",
        )
    return table
