from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.options import (
    Format,
    KindName,
    Labels,
    Output,
    Pool,
    Priority,
    Retries,
    RetryPause,
    Title,
    Wait,
    pairs,
    read_payload,
)
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client, Handle
    from windlass_client.resources import TaskOptions


def enqueue(  # noqa: PLR0913, PLR0917 - every option is a parameter
    kind: KindName,
    payload: Annotated[str, typer.Option(metavar="JSON|@FILE|-", help="What the kind wants to know.")] = "{}",
    title: Title = "",
    priority: Priority = None,
    pool: Pool = "",
    retries: Retries = None,
    retry_pause: RetryPause = None,
    labels: Labels = None,
    after: Annotated[
        list[int] | None, typer.Option(metavar="ID", help="Not before this task has ended; may come several times.")
    ] = None,
    coalesce_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Fold into a waiting task of this kind with the same key.")
    ] = None,
    wait: Wait = False,
    output: Output = Format.table,
) -> None:
    """Store a task and print its id.

    Once this returns it is not lost. With --wait it is followed, live, and its outcome becomes the exit code.

    \b
    windlass enqueue ExecuteScript --payload '{"script": "date"}' --wait
    windlass enqueue Crawl --payload @crawl.json --priority 12 --label tenant=acme
    """
    decoded = read_payload(payload)
    options: TaskOptions = {
        "title": title,
        "priority": priority,
        "pool": pool,
        "retry_attempts": retries,
        "retry_pause": retry_pause,
        "labels": pairs(labels, "--label"),
        "after": after or (),
        "coalesce_key": coalesce_key,
    }

    async def work(client: Client) -> int:
        handle = await client.enqueue(kind, decoded, **options)
        return await tell_and_follow(client, handle, wait=wait, output=output)

    with_client(work)


async def tell_and_follow(client: Client, handle: Handle, *, wait: bool, output: Format) -> int:
    """Without `wait`, tells the id; with it, follows the task, and for a program prints its card at the end."""
    from windlass_cli.documents import of_receipt, print_document
    from windlass_cli.follow import own
    from windlass_cli.views import SilentView, TextView

    if not wait:
        if output.for_people:
            print(handle.id)
        else:
            print_document(of_receipt(handle.receipt), output)
        return 0
    if output.for_people:
        return await own(client, handle.id, TextView())
    from windlass_cli.commands.show import print_card

    code = await own(client, handle.id, SilentView())
    await print_card(client, handle.id, output)
    return code
