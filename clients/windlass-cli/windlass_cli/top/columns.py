"""The columns of the queue and of the history: as many as fit, the title in what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from rich.text import Text

from windlass_cli import screen, work
from windlass_cli.forms import Column

if TYPE_CHECKING:
    from windlass_client import Card, Progress, Task

T = TypeVar("T")

GAP = 2
SHORTEST_TITLE = 22
LONGEST_CELL = 24
BAR = 8
CURSOR, NO_CURSOR = "▸ ", "  "
CHOSEN = "bold on grey27"


@dataclass(frozen=True, slots=True)
class Columns(Generic[T]):
    """`shown` from left to right; where there is no room for all, those that come first in `wanted` stay."""

    shown: Sequence[Column[T]]
    wanted: Sequence[str]

    def lines(self, rows: Sequence[T], width: int, chosen: int | None) -> list[Text]:
        """The header, then a line for each row, each exactly `width` cells wide; `chosen` is the cursor's, from 0."""
        cells = {column.name: [screen.cell(column.cell(row)) for row in rows] for column in self.shown}
        widths = self._widths(cells, width - len(CURSOR))
        fitting = [column for column in self.shown if column.name in widths]
        header = _line(NO_CURSOR, [_padded(Text(each.name), widths[each.name], each.number) for each in fitting])
        header.stylize("bold")
        lines = [header]
        for place in range(len(rows)):
            padded = [_padded(cells[each.name][place], widths[each.name], each.number) for each in fitting]
            lines.append(_line(CURSOR if place == chosen else NO_CURSOR, padded))
            if place == chosen:
                lines[-1].stylize_before(CHOSEN)
        for line in lines:
            line.truncate(width, pad=True)
        return lines

    def _widths(self, cells: dict[str, list[Text]], width: int) -> dict[str, int]:
        left = width - SHORTEST_TITLE
        widths = {"Title": 0}
        for name in self.wanted:
            needed = min(LONGEST_CELL, max([len(name), *(each.cell_len for each in cells[name])]))
            if needed + GAP > left:
                break
            widths[name] = needed
            left -= needed + GAP
        widths["Title"] = SHORTEST_TITLE + left
        return widths


def _padded(cell: Text, width: int, to_the_right: bool) -> Text:
    cell.truncate(width, overflow="ellipsis")
    space = " " * (width - cell.cell_len)
    return Text.assemble(space, cell) if to_the_right else Text.assemble(cell, space)


def _line(cursor: str, cells: Sequence[Text]) -> Text:
    return Text.assemble(cursor, Text(" " * GAP).join(cells), no_wrap=True, end="")


def progress(made: Progress | None) -> str:
    """`████░░░░  50%`; the number alone when the end is not known."""
    if made is None:
        return ""
    if not made.total:
        return str(made.current)
    share = min(1.0, max(0.0, made.current / made.total))
    filled = int(share * BAR)
    return "█" * filled + "░" * (BAR - filled) + f" {share:4.0%}"


def _named(columns: Sequence[Column[T]], *names: str) -> list[Column[T]]:
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in names]


_PROGRESS: Column[Task] = Column("Progress", lambda task: progress(task.progress))
_TASKS = [_PROGRESS if each.name == "Progress" else each for each in work.TASKS.columns]
QUEUE: Columns[Task] = Columns(
    _named(
        _TASKS,
        *("Origin", "ID", "Status", "Title", "Stage", "Progress", "Created", "Started", "Retries", "Priority", "Type"),
    ),
    ("ID", "Status", "Priority", "Type", "Started", "Progress", "Retries", "Stage", "Created", "Origin"),
)
HISTORY: Columns[Card] = Columns(
    _named(work.CARDS.columns, "Status", "Created", "Title", "Initiator", "Duration", "ID", "Retries", "Type"),
    ("Status", "Created", "ID", "Duration", "Initiator", "Type", "Retries"),
)
