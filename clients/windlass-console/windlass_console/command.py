"""`windlass console`: the web console, for the server that other commands would talk to."""

from __future__ import annotations

from typing import Annotated

import typer


def console(
    listen: Annotated[
        str, typer.Option(help="Address and port for browsers; port 0 takes a free one.")
    ] = "127.0.0.1:7655",
    host: Annotated[list[str] | None, typer.Option(help="A further name under which browsers may reach it.")] = None,
    prefix: Annotated[str, typer.Option(help="The path it lives under behind a proxy, as /windlass.")] = "",
    trace_url: Annotated[str, typer.Option(help="Where a trace is shown, with {trace_id} in it.")] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Offer no change, whatever the role.")] = False,
    https: Annotated[bool, typer.Option("--https", help="Browsers come by https, through a proxy.")] = False,
) -> None:
    """Start the web console; it runs until it is ended."""
    from windlass_console.server import serve
    from windlass_console.settings import Settings

    settings = Settings(tuple(host or ()), prefix.rstrip("/"), trace_url, read_only, https)
    raise typer.Exit(serve(listen, settings))
