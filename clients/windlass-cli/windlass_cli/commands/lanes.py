"""`windlass lanes`: named single-writer resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from windlass_cli.options import Format, Output
from windlass_cli.printing import print_list
from windlass_cli.session import with_client
from windlass_cli.work import LANES

if TYPE_CHECKING:
    from windlass_client import Client

lanes = typer.Typer(help="See who holds a lane, and who waits for it.", no_args_is_help=True)


@lanes.command("list")
def list_lanes(output: Output = Format.table) -> None:
    """List lanes with their holders and waiters."""

    async def work(client: Client) -> None:
        print_list(await client.cluster.lanes(), LANES, output)

    with_client(work)
