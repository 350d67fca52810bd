"""Lists as tables, and one thing as its fields: the columns of a form, on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from windlass_cli import screen
from windlass_cli.forms import Column

T = TypeVar("T")


def table(things: Sequence[T], columns: Sequence[Column[T]], *, wide: bool = False) -> Table:
    """Columns that give way are cut when the terminal is narrow: the others may not wrap."""
    shown = [column for column in columns if wide or not column.wide]
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in shown:
        made.add_column(column.name, no_wrap=not column.gives_way, justify="right" if column.number else "left")
    for thing in things:
        made.add_row(*(_cell(column, thing) for column in shown))
    return made


def print_table(things: Sequence[T], columns: Sequence[Column[T]], *, wide: bool = False, stderr: bool = False) -> None:
    screen.console(stderr=stderr).print(table(things, columns, wide=wide))


def print_fields(thing: T, columns: Sequence[Column[T]]) -> None:
    """A line for each column that has something to say."""
    width = max(len(column.name) for column in columns) + 2
    console = screen.console()
    for column in columns:
        if said := screen.cell(column.cell(thing)):
            console.print(Text.assemble((column.name.ljust(width), "dim"), said), soft_wrap=True)


def _cell(column: Column[T], thing: T) -> Text:
    text = screen.cell(column.cell(thing))
    return screen.cut(text) if column.gives_way else text
