from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.options import Format, Output
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


class Whose(StrEnum):
    user = "user"
    system = "system"
    all = "all"


def history(
    origin: Annotated[
        Whose, typer.Option(help="What people started, what the system did by itself, or both.")
    ] = Whose.all,
    output: Output = Format.table,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """List what became of tasks, the newest first."""

    async def work(client: Client) -> None:
        from windlass_client import Origin

        from windlass_cli.listing import take

        wanted = None if origin is Whose.all else Origin(origin.upper())
        cards = await take(client.list_cards(origin=wanted, page_size=min(limit + 1, 1000)), limit + 1)
        shown = cards[:limit]
        if output is Format.json:
            from windlass_cli.documents import of_card, print_document

            print_document([of_card(card) for card in shown])
            return
        from windlass_cli.listing import print_table
        from windlass_cli.tables import history_table

        print_table(history_table(shown), empty="No task has been started yet.", more=len(cards) > limit)

    with_client(work)
