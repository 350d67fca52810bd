"""`windlass kinds`: what can be done, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from windlass_cli import words
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, KindName, Output, Reason
from windlass_cli.printing import print_done, print_list, print_one
from windlass_cli.schemas import columns_of
from windlass_cli.session import with_client
from windlass_cli.work import standing

if TYPE_CHECKING:
    from windlass_client import Client, Kind

kinds = typer.Typer(help="See which kinds of tasks there are, pause them.", no_args_is_help=True)


COLUMNS: tuple[Column[Kind], ...] = (
    Column("Kind", lambda kind: kind.name),
    Column("Pool", lambda kind: kind.pool),
    Column("Executor", lambda kind: kind.executor),
    Column("Plugin", lambda kind: kind.plugin),
    Column("Nodes", lambda kind: kind.nodes, number=True),
    Column("Role", lambda kind: kind.role),
    Column("State", lambda kind: standing(kind.pause)),
    Column("Paused", lambda kind: words.because(kind.pause), gives_way=True),
    Column("Tries", lambda kind: kind.retry.attempts, wide=True, number=True),
    Column("Pause", lambda kind: words.duration(kind.retry.pause), wide=True, number=True),
    Column("Description", lambda kind: kind.description, wide=True, gives_way=True),
)
KINDS: Form[Kind] = Form(columns=COLUMNS, empty="No node handles any kind.")


@kinds.command("list")
def list_kinds(output: Output = Format.table) -> None:
    """List every kind there is, or ever was."""

    async def work(client: Client) -> None:
        print_list(await client.cluster.kinds(), KINDS, output)

    with_client(work)


@kinds.command("show")
def show_kind(name: KindName, output: Output = Format.table) -> None:
    """Show one kind, with the fields of its payload.

    -o json has the whole JSON Schema.
    """

    async def work(client: Client) -> None:
        kind = await client.cluster.kind(name)
        payload = columns_of(kind.payload_schema, "payload.")
        print_one(kind, Form(columns=(*COLUMNS, *payload), empty=""), output)

    with_client(work)


@kinds.command()
def pause(name: KindName, reason: Reason = "", output: Output = Format.table) -> None:
    """Start no more tasks of a kind; what runs goes on.

    \b
    windlass kinds pause Crawl --reason "they block us"
    """

    async def work(client: Client) -> None:
        kind = await client.cluster.pause_kind(name, reason)
        print_done(f"kind {kind.name}: paused {words.because(kind.pause)}", KINDS.document(kind), output)

    with_client(work)


@kinds.command()
def resume(name: KindName, reason: Reason = "", output: Output = Format.table) -> None:
    """Let tasks of a kind start again."""

    async def work(client: Client) -> None:
        kind = await client.cluster.resume_kind(name, reason)
        print_done(f"kind {kind.name}: active", KINDS.document(kind), output)

    with_client(work)
