"""One command's time with the server: connects, runs, closes, and turns errors into exit codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from windlass_cli.exits import failure_of, noticing_that_nobody_reads

if TYPE_CHECKING:
    from windlass_client import Client

T = TypeVar("T")

REACHABLE_WITHIN_S = 5.0


def with_client(work: Callable[[Client], Awaitable[int | None]]) -> None:
    """Runs `work` with a client of a server that answers, and leaves with the code it returns."""
    code = ask_server(work)
    if code:
        raise typer.Exit(code)


def ask_server(work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` returns, for a command that goes on afterwards.

    Failure when the server does not answer within 5 s, or refuses something.
    """
    import asyncio

    from windlass_client import WindlassError

    try:
        with noticing_that_nobody_reads():
            return asyncio.run(_session(work))
    except WindlassError as error:
        raise failure_of(error) from error


async def _session(work: Callable[[Client], Awaitable[T]]) -> T:
    from windlass_client import Client

    async with Client.connect() as client:
        await client.ready(REACHABLE_WITHIN_S)
        return await work(client)
