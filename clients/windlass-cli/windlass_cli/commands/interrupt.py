from __future__ import annotations

from typing import TYPE_CHECKING

from windlass_cli.options import Detach, DryRun, Filter, Format, Output, QueuedId, Rate, Reason, Yes
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import BulkReceipt, Client


def interrupt(
    id: QueuedId = None,
    filter: Filter = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    rate: Rate = 0,
    detach: Detach = False,
    output: Output = Format.table,
) -> None:
    """End a task; with --filter, every one that matches.

    A waiting one ends at once, a running one soon.

    \b
    windlass interrupt 7 --reason "no longer needed"
    windlass interrupt --filter 'kind = "Crawl" AND state = PENDING' --reason "wrong feed" --dry-run
    """
    from windlass_cli import bulk

    wanted = bulk.Wanted(filter, reason, dry_run, yes, rate, detach, output)
    if not bulk.one_or_many(id, wanted):

        async def call(client: Client, dry: bool) -> BulkReceipt:
            return await client.bulk_interrupt(filter, reason=reason, dry_run=dry, rate=rate)

        bulk.do("interrupt", call, wanted)
        return

    async def work(client: Client) -> None:
        from windlass_cli.documents import of_task
        from windlass_cli.printing import print_done
        from windlass_cli.words import label

        task = await client.interrupt(id or 0, reason)
        print_done(f"task {task.id}: {label(task.state)}", of_task(task), output)

    with_client(work)
