from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass_cli.options import Format, Output, Pool, Priority, Retries, RetryPause, Title, read_payload
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client
    from windlass_client.resources import TaskOptions


def enqueue(  # noqa: PLR0913, PLR0917 - every option is a parameter
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What to do, for example ExecuteScript.")],
    payload: Annotated[str, typer.Option(metavar="JSON|@FILE|-", help="What the kind wants to know.")] = "{}",
    title: Title = "",
    priority: Priority = None,
    pool: Pool = "",
    retries: Retries = None,
    retry_pause: RetryPause = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end; exit with its outcome.")] = False,
    output: Output = Format.table,
) -> None:
    """Store a task and print its id.

    Once this returns it is not lost. With --wait it is followed, live, and its outcome becomes the exit code.
    """
    decoded = read_payload(payload)
    options: TaskOptions = {
        "title": title,
        "priority": priority,
        "pool": pool,
        "retry_attempts": retries,
        "retry_pause": retry_pause,
    }

    async def work(client: Client) -> int:
        return await enqueue_and_follow(client, kind, decoded, options, wait=wait, output=output)

    with_client(work)


async def enqueue_and_follow(
    client: Client, kind: str, payload: Any, options: TaskOptions, *, wait: bool, output: Format
) -> int:
    """Without `wait`, tells the id; with it, follows the task, and with JSON prints its card at the end."""
    from windlass_cli.documents import print_document
    from windlass_cli.follow import own
    from windlass_cli.views import SilentView, TextView

    handle = await client.enqueue(kind, payload, **options)
    if not wait:
        if output is Format.json:
            print_document({"id": handle.id, "receipt": handle.receipt.status})
        else:
            print(handle.id)
        return 0
    if output is Format.table:
        return await own(client, handle.id, TextView())
    from windlass_cli.commands.show import print_card

    code = await own(client, handle.id, SilentView())
    await print_card(client, handle.id, output)
    return code
