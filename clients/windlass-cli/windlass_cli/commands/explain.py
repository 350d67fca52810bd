from __future__ import annotations

from typing import TYPE_CHECKING

from windlass_cli.options import Format, Output, TaskId
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


def explain(id: TaskId, output: Output = Format.table) -> None:
    """Say why a task does not run, and what would clear that.

    \b
    windlass explain 7
    """

    async def work(client: Client) -> None:
        task, gates = await client.get_task(id), await client.explain(id)
        if not output.for_people:
            from windlass_cli.documents import of_explanation, print_document

            print_document(of_explanation(task, gates), output)
            return
        from windlass_cli.explaining import lines
        from windlass_cli.screen import console

        screen = console()
        for line in lines(task, gates):
            screen.print(line, soft_wrap=True)

    with_client(work)
