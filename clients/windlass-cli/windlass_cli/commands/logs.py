from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.options import Format, Output, TaskId
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client, Stream


class Which(StrEnum):
    stdout = "stdout"
    stderr = "stderr"
    both = "both"


def logs(
    id: TaskId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the task ends; exit with its outcome.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Of this attempt; 0: of all. Default: the last one.")
    ] = None,
    stream: Annotated[Which, typer.Option(help="What it wrote to stdout, to stderr, or both.")] = Which.both,
    output: Output = Format.table,
) -> None:
    """Print what a task has written.

    Its stdout to stdout, its stderr to stderr.

    \b
    windlass logs 7
    windlass logs 7 -f --stream stderr
    windlass logs 7 --attempt 1 > first-try.txt
    """

    async def work(client: Client) -> int:
        from windlass_client import Stream

        from windlass_cli.views import OutputView

        wanted = None if stream is Which.both else Stream(stream.upper())
        task = await client.get_task(id)
        if not (task.attempt or follow):
            print("It has not been started yet.", file=sys.stderr)
            OutputView(output).close()
            return 0
        number = task.attempt if attempt is None else attempt
        if follow:
            return await _follow(client, id, number, wanted, output)
        await _read(client, id, number, wanted, output)
        return 0

    with_client(work)


async def _read(client: Client, id: int, attempt: int, stream: Stream | None, output: Format) -> None:
    from contextlib import aclosing

    from windlass_cli.views import OutputView

    view = OutputView(output)
    try:
        async with aclosing(client.read_output(id, attempt=attempt, stream=stream)) as chunks:
            async for chunk in chunks:
                view.show(chunk)
    finally:
        view.close()


async def _follow(client: Client, id: int, attempt: int, stream: Stream | None, output: Format) -> int:
    """Of this attempt and those that follow it."""
    from windlass_cli.follow import follow
    from windlass_cli.views import OutputView

    return await follow(client, id, OutputView(output, first=attempt, stream=stream))
