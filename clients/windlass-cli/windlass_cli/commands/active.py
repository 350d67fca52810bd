from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.exits import USAGE, Failure
from windlass_cli.options import Filter, Format, Limit, OrderBy, Output
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client

LARGEST_WATCHED = 200
"""The server's own limit."""


def active(
    filter: Filter = "",
    order_by: OrderBy = "",
    limit: Limit = 100,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep it on the screen, current.")] = False,
    output: Output = Format.table,
) -> None:
    """List what runs and what waits.

    Running tasks come first, then waiting ones in the order they will be claimed.

    \b
    windlass active
    windlass active --filter 'kind = "ExecuteScript" AND priority >= 10' -o wide
    windlass active --order-by 'create_time desc' -n 5
    """
    if watch and not 1 <= limit <= LARGEST_WATCHED:
        raise Failure(USAGE, f"--watch takes a --limit from 1 to {LARGEST_WATCHED}; choose by --filter")

    async def work(client: Client) -> None:
        if watch:
            from windlass_cli.live import watch_queue

            await watch_queue(client, filter, order_by, limit, output)
            return
        from windlass_cli.printing import page_size, print_some
        from windlass_cli.work import TASKS

        tasks = client.list_tasks(filter=filter, order_by=order_by, page_size=page_size(limit))
        await print_some(tasks, limit, TASKS, output)

    with_client(work)
