"""`windlass cluster`: the server that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from windlass_cli import words
from windlass_cli.forms import Column, Form, fields
from windlass_cli.options import Format, Output, Reason
from windlass_cli.printing import print_done, print_one
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client, Plugin, ServerInfo

cluster = typer.Typer(help="See what the server is, reload its configuration.", no_args_is_help=True)


def _plugin(plugin: Plugin) -> str:
    return f"{plugin.name} {plugin.version}".strip() + (f" (quarantined: {plugin.error})" if plugin.error else "")


INFO: Form[ServerInfo] = Form(
    columns=(
        Column("Version", lambda info: info.version),
        Column("Node", lambda info: info.node or ""),
        Column("Started", lambda info: words.when(info.start_time)),
        Column("Store", lambda info: info.store),
        Column("Store's time", lambda info: words.when(info.store_time)),
        Column("Clock ahead", lambda info: f"{info.clock_offset:+.3f} s"),
        Column("Plugins", lambda info: ", ".join(map(_plugin, info.plugins))),
        Column("Capabilities", lambda info: ", ".join(info.capabilities)),
        Column("Largest message", lambda info: words.size(info.largest_message)),
    ),
    empty="",
)


@cluster.command("show")
def show(output: Output = Format.table) -> None:
    """Show what the server is and can do."""

    async def work(client: Client) -> None:
        print_one(await client.cluster.info(), INFO, output)

    with_client(work)


@cluster.command()
def reload(reason: Reason = "", output: Output = Format.table) -> None:
    """Make the server read its configuration again.

    As SIGHUP does. An invalid one changes nothing.
    """

    async def work(client: Client) -> None:
        done = await client.cluster.reload(reason)
        said = [f"in use now: {', '.join(done.changed)}"] if done.changed else ["nothing has changed"]
        if done.waiting_for_restart:
            said.append(f"after a restart: {', '.join(done.waiting_for_restart)}")
        print_done("; ".join(said), fields(done), output)

    with_client(work)
