from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.options import Format, Output, TaskId
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


def interrupt(
    id: TaskId,
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "",
    output: Output = Format.table,
) -> None:
    """End a task: a waiting one at once, a running one soon."""

    async def work(client: Client) -> None:
        from windlass_cli.documents import of_task, print_document
        from windlass_cli.words import label

        task = await client.interrupt(id, reason)
        if output is Format.json:
            print_document(of_task(task))
        else:
            print(f"task {task.id}: {label(task.state)}")

    with_client(work)
