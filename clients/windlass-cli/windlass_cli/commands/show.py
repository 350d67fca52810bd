from __future__ import annotations

from typing import TYPE_CHECKING

from windlass_cli.options import Format, Output, TaskId
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


def show(id: TaskId, output: Output = Format.table) -> None:
    """Show one task: attempts, timeline, result, output.

    \b
    windlass show 7
    windlass show 7 -o json | jq .attempts
    """

    async def work(client: Client) -> None:
        await print_card(client, id, output)

    with_client(work)


async def print_card(client: Client, id: int, output: Format) -> None:
    """NotFound when there is no such task."""
    from windlass_cli.gather import gather

    full = await gather(client, id)
    if not output.for_people:
        from windlass_cli.documents import of_full_card, print_document

        text = full.output.decode("utf-8", "replace")
        print_document(of_full_card(full.task, full.card, full.steps, text), output)
        return
    from windlass_cli.card import lines
    from windlass_cli.screen import console

    screen = console()
    for line in lines(full):
        screen.print(line, soft_wrap=True)
