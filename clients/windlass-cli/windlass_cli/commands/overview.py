from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.options import Format, Output
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


def overview(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep it on the screen, current, until Ctrl-C.")] = False,
    output: Output = Format.table,
) -> None:
    """Show the whole: pools, what runs, what needs a look.

    \b
    windlass overview
    windlass overview --watch
    windlass overview --watch -o jsonl | jq --unbuffered .active_count
    """

    async def work(client: Client) -> None:
        if watch:
            from windlass_cli.live import watch_overview

            await watch_overview(client, output)
            return
        picture = await client.overview.get()
        if not output.for_people:
            from windlass_cli.documents import of_picture, print_document

            print_document(of_picture(picture), output)
            return
        from windlass_cli.picture import drawn
        from windlass_cli.screen import console

        console().print(drawn(picture))
        sys.stdout.flush()

    with_client(work)
