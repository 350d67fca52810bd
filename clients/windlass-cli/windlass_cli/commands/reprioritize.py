from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli.options import Detach, DryRun, Filter, Format, Output, QueuedId, Rate, Reason, Yes
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import BulkReceipt, Client


def reprioritize(  # noqa: PLR0913, PLR0917 - every option is a parameter
    priority: Annotated[int, typer.Option("--priority", "-p", min=0, max=100, help="The new one, 0 to 100.")],
    id: QueuedId = None,
    filter: Filter = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    rate: Rate = 0,
    detach: Detach = False,
    output: Output = Format.table,
) -> None:
    """Give a task in the queue a new priority.

    With --filter, every one that matches.

    High is 10 and more, medium 5 to 9, low below. For a running task it counts from its next attempt.

    \b
    windlass tasks reprioritize 7 --priority 12
    windlass tasks reprioritize --filter 'labels.tenant = "acme"' -p 1 --reason "they flood us"
    """
    from windlass_cli import bulk

    wanted = bulk.Wanted(filter, reason, dry_run, yes, rate, detach, output)
    if not bulk.one_or_many(id, wanted):

        async def call(client: Client, dry: bool) -> BulkReceipt:
            return await client.bulk_reprioritize(filter, priority, reason=reason, dry_run=dry, rate=rate)

        bulk.do("reprioritize", call, wanted)
        return

    async def work(client: Client) -> None:
        from windlass_cli.documents import of_task
        from windlass_cli.printing import print_done
        from windlass_cli.words import priority_label

        task = await client.reprioritize(id or 0, priority, reason)
        said = f"task {task.id}: priority {task.priority} ({priority_label(task.priority)})"
        print_done(said, of_task(task), output)

    with_client(work)
