"""`windlass lanes`: named single-writer resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from windlass_cli import words
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Output
from windlass_cli.printing import print_list
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client, Lane

lanes = typer.Typer(help="See who holds a lane, and who waits for it.", no_args_is_help=True)


LANES: Form[Lane] = Form(
    columns=(
        Column("Lane", lambda lane: lane.name),
        Column("Holder", lambda lane: f"task {lane.holder.task}" if lane.holder else "free"),
        Column("Since", lambda lane: words.when(lane.holder.since) if lane.holder else words.DASH),
        Column("Waiting", lambda lane: len(lane.waiters), number=True),
        Column("Next", lambda lane: ", ".join(str(each.task) for each in lane.waiters[:5]), gives_way=True),
        Column("Fence", lambda lane: lane.fence, wide=True, number=True),
        Column("Node", lambda lane: lane.holder.node if lane.holder else "", wide=True),
    ),
    empty="No task has ever asked for a lane.",
)


@lanes.command("list")
def list_lanes(output: Output = Format.table) -> None:
    """List lanes with their holders and waiters."""

    async def work(client: Client) -> None:
        print_list(await client.cluster.lanes(), LANES, output)

    with_client(work)
