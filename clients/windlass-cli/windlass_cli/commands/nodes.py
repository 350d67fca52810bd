"""`windlass nodes`: the processes that run tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli import completion, words
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Output, Reason
from windlass_cli.printing import print_done, print_list
from windlass_cli.session import with_client
from windlass_cli.work import state

if TYPE_CHECKING:
    from windlass_client import Client, Node

nodes = typer.Typer(help="See who works, take a node out of work.", no_args_is_help=True)

NodeId = Annotated[
    int, typer.Argument(metavar="NODE", min=1, help="The number of the node.", autocompletion=completion.nodes)
]


def _load(node: Node) -> str:
    return ", ".join(f"{share.pool} {share.in_use}/{share.slots}" for share in node.shares)


NODES: Form[Node] = Form(
    columns=(
        Column("ID", lambda node: node.id, number=True),
        Column("Node", lambda node: node.display_name),
        Column("State", lambda node: state(node.state)),
        Column("Leads", lambda node: "yes" if node.is_leader else ""),
        Column("Running", lambda node: node.running, number=True),
        Column("Seen", lambda node: words.ago(node.renew_time)),
        Column("Joined", lambda node: words.when(node.join_time)),
        Column("Version", lambda node: node.version),
        Column("Load", _load, wide=True),
        Column("Kinds", lambda node: ", ".join(node.kinds), wide=True, gives_way=True),
    ),
    empty="No node is there, and none was within the last hour.",
)


@nodes.command("list")
def list_nodes(output: Output = Format.table) -> None:
    """List nodes: those that live, then those that went within the last hour."""

    async def work(client: Client) -> None:
        print_list(await client.cluster.nodes(), NODES, output)

    with_client(work)


@nodes.command()
def drain(id: NodeId, reason: Reason = "", output: Output = Format.table) -> None:
    """Let a node finish what it runs and take nothing more.

    Until it is resumed or ended.

    \b
    windlass nodes drain 3 --reason "new kernel for its host"
    """

    async def work(client: Client) -> None:
        node = await client.cluster.drain(id, reason)
        left = words.counted(node.running, "task")
        said = f"node {node.id} ({node.display_name}): {words.label(node.state)}, {left} left"
        print_done(said, NODES.document(node), output)

    with_client(work)


@nodes.command()
def resume(id: NodeId, reason: Reason = "", output: Output = Format.table) -> None:
    """Let a node that was drained take tasks again."""

    async def work(client: Client) -> None:
        node = await client.cluster.resume_node(id, reason)
        print_done(f"node {node.id} ({node.display_name}): {words.label(node.state)}", NODES.document(node), output)

    with_client(work)
