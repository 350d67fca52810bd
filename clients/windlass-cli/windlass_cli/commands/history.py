"""`windlass history`: what became of tasks.  The word alone is `history list`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.commands.show import show
from windlass_cli.options import Filter, Format, Limit, OrderBy, Output
from windlass_cli.root import Lists
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client

history = typer.Typer(cls=Lists, help="List and show what became of tasks; alone, it lists.")


class Whose(StrEnum):
    user = "user"
    system = "system"
    all = "all"


@history.command("list")
def list_cards(
    origin: Annotated[
        Whose, typer.Option(help="What people started, what the system did by itself, or both.")
    ] = Whose.all,
    filter: Filter = "",
    order_by: OrderBy = "",
    limit: Limit = 50,
    output: Output = Format.table,
) -> None:
    """List what became of tasks, the newest first.

    \b
    windlass history
    windlass history --filter 'state = FAILED AND kind = "ExecuteScript"'
    windlass history list --origin user --limit 0 -o jsonl
    """

    async def work(client: Client) -> None:
        from windlass_client import Origin

        from windlass_cli.printing import page_size, print_some
        from windlass_cli.work import CARDS

        wanted = None if origin is Whose.all else Origin(origin.upper())
        cards = client.list_cards(origin=wanted, filter=filter, order_by=order_by, page_size=page_size(limit))
        await print_some(cards, limit, CARDS, output)

    with_client(work)


history.command("show")(show)
