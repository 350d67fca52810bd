from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.options import Format, Output
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


def active(
    output: Output = Format.table,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """List what runs and what waits.

    Running tasks come first, then waiting ones in the order they will be claimed.
    """

    async def work(client: Client) -> None:
        from windlass_cli.listing import take

        tasks = await take(client.list_tasks(page_size=min(limit + 1, 1000)), limit + 1)
        shown = tasks[:limit]
        if output is Format.json:
            from windlass_cli.documents import of_task, print_document

            print_document([of_task(task) for task in shown])
            return
        from windlass_cli.listing import print_table
        from windlass_cli.tables import active_table

        print_table(active_table(shown), empty="Nothing is running, nothing waits.", more=len(tasks) > limit)

    with_client(work)
