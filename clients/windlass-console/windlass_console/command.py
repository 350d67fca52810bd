"""`windlass console`: the web console for the server that other commands would talk to, and a link into one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

Host = Annotated[list[str] | None, typer.Option(help="A further name under which browsers may reach it.")]
Prefix = Annotated[str, typer.Option(help="The path it lives under behind a proxy, as /windlass.")]
TraceUrl = Annotated[str, typer.Option(help="Where a trace is shown, with {trace_id} in it.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Offer no change, whatever the role.")]
Https = Annotated[bool, typer.Option("--https", help="Browsers come by https, through a proxy.")]

console = typer.Typer(help="Start the web console, or get a link into one.", invoke_without_command=True)


@console.callback()
def run(
    context: typer.Context,
    listen: Annotated[
        str, typer.Option(help="Address and port for browsers; port 0 takes a free one.")
    ] = "127.0.0.1:7655",
    host: Host = None,
    prefix: Prefix = "",
    trace_url: TraceUrl = "",
    read_only: ReadOnly = False,
    https: Https = False,
) -> None:
    """Start the web console; it runs until it is ended.

    `windlass serve` starts one by itself: this is for a server elsewhere, or with other options.

    \b
    windlass console --profile production --listen 127.0.0.1:8080 --read-only
    """
    if context.invoked_subcommand:
        return
    from windlass_console.server import serve
    from windlass_console.settings import Settings

    settings = Settings(tuple(host or ()), prefix.rstrip("/"), trace_url, read_only, https)
    raise typer.Exit(serve(listen, settings))


@console.command()
def link(
    url: Annotated[str, typer.Option(help="The console to enter; left out: that of this machine's server.")] = "",
) -> None:
    """Print a link that signs your browser in: good once, within a minute.

    The link has the rights of the token that other commands would use.
    """
    from windlass_client import Unavailable, WindlassError
    from windlass_client.consoles import console_link
    from windlass_client.discovery import announcements, find_server, home

    consoles = [server.console for server in announcements(home()) if server.console]
    try:
        if not (url or consoles):
            raise Unavailable("no server of this machine has a console; name one with --url, or: windlass console")
        print(console_link(url or consoles[0], find_server(None, None).token))
    except WindlassError as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise typer.Exit(3) from None


def beside_a_server(
    fd: int,
    host: Host = None,
    prefix: Prefix = "",
    trace_url: TraceUrl = "",
    read_only: ReadOnly = False,
    https: Https = False,
) -> None:
    """On a socket that `windlass serve` listens on, until its standard input ends, which is when the server has."""
    from windlass_console.server import serve_beside
    from windlass_console.settings import Settings

    settings = Settings(tuple(host or ()), prefix.rstrip("/"), trace_url, read_only, https)
    raise typer.Exit(serve_beside(fd, settings))
