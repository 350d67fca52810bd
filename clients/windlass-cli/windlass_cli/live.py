"""Lists and pictures that stay on the screen and stay current; for a program, what changes, as it changes."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from windlass_cli.documents import of_change, of_picture, print_documents
from windlass_cli.follow import lost
from windlass_cli.options import Format

if TYPE_CHECKING:
    from windlass_client import Client, QueueChange, WindlassError

T = TypeVar("T")


async def watch_queue(client: Client, filter: str, order_by: str, limit: int, output: Format) -> None:
    """Until Ctrl-C.  On a terminal the list itself, elsewhere each change as a line."""

    def opened(on_outage: Callable[[WindlassError], None]) -> AsyncGenerator[QueueChange, None]:
        return client.watch_queue(filter=filter, order_by=order_by, page_size=limit, on_outage=on_outage)

    if not sys.stdout.isatty() or not output.for_people:
        await _lines(opened(lost), output, of_change)
        return
    from windlass_client import QueueCurrent

    from windlass_cli.tables import table
    from windlass_cli.work import TASKS

    async def drawn(change: QueueChange) -> Any:
        if not isinstance(change, QueueCurrent):
            return None
        # Asked for anew: the server knows the order.
        page = await client.task_page(filter=filter, order_by=order_by, page_size=limit)
        return table(page.items, TASKS.columns, wide=output is Format.wide) if page.items else TASKS.empty

    await redraw(opened, drawn)


async def watch_overview(client: Client, output: Format) -> None:
    """Until Ctrl-C: a server that goes away is looked for until it is back, and that is said."""
    if not sys.stdout.isatty() or not output.for_people:
        await _lines(client.overview.watch(on_outage=lost), output, of_picture)
        return
    from windlass_cli.picture import drawn

    async def draw(picture: Any) -> Any:
        return drawn(picture)

    await redraw(lambda on_outage: client.overview.watch(on_outage=on_outage), draw)


async def redraw(
    opened: Callable[[Callable[[WindlassError], None]], AsyncGenerator[T, None]], drawn: Callable[[T], Awaitable[Any]]
) -> None:
    """Shows what `drawn` makes of each item, on a screen of its own; None leaves it as it is."""
    from rich.live import Live
    from windlass_client import Unavailable

    from windlass_cli.screen import console, styled

    with Live(console=console(), auto_refresh=False, screen=True, vertical_overflow="crop") as live:

        def unreachable(_: WindlassError) -> None:
            live.update(styled("the server is unreachable; looking for it again …", "bold red"), refresh=True)

        while True:
            try:
                async with aclosing(opened(unreachable)) as items:
                    async for item in items:
                        if (picture := await drawn(item)) is not None:
                            live.update(picture, refresh=True)
            except Unavailable as error:
                unreachable(error)


async def _lines(items: AsyncGenerator[T, None], output: Format, document: Callable[[T], dict[str, Any]]) -> None:
    written = Format.jsonl if output.for_people or output is Format.json else output
    async with aclosing(items) as each:
        async for item in each:
            print_documents([document(item)], written)
            sys.stdout.flush()
