"""Lists: as many as were asked for, and the table they are shown in."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from windlass_cli.screen import console

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")


async def take(items: AsyncGenerator[T, None], count: int) -> list[T]:
    """The first `count`; no page is fetched beyond them."""
    taken: list[T] = []
    async with aclosing(items) as each:
        async for item in each:
            taken.append(item)
            if len(taken) == count:
                break
    return taken


def print_table(table: Table, *, empty: str, more: bool) -> None:
    """`more`: there is more than the table shows, and it says so on stderr."""
    if not table.row_count:
        print(empty, file=sys.stderr)
        return
    console().print(table)
    if more:
        print("… and more; --limit shows them", file=sys.stderr)
