from __future__ import annotations

from typing import TYPE_CHECKING

from windlass_cli.options import Detach, DryRun, EndedId, Filter, Format, Output, Rate, Reason, Wait, Yes
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import BulkReceipt, Client


def retry(  # noqa: PLR0913, PLR0917 - every option is a parameter
    id: EndedId = None,
    filter: Filter = "",
    reason: Reason = "",
    wait: Wait = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    rate: Rate = 0,
    detach: Detach = False,
    output: Output = Format.table,
) -> None:
    """Ask again for what an ended task was asked.

    That makes a new task. With --filter, for every one that matches.

    \b
    windlass tasks retry 7 --wait
    windlass tasks retry --filter 'state = FAILED AND kind = "Crawl"' --reason "the feed is back" --yes
    """
    from windlass_cli import bulk

    wanted = bulk.Wanted(filter, reason, dry_run, yes, rate, detach, output)
    if not bulk.one_or_many(id, wanted):

        async def call(client: Client, dry: bool) -> BulkReceipt:
            return await client.bulk_retry(filter, reason=reason, dry_run=dry, rate=rate)

        bulk.do("retry", call, wanted)
        return

    async def work(client: Client) -> int:
        from windlass_cli.commands.enqueue import tell_and_follow

        return await tell_and_follow(client, await client.retry(id or 0, reason), wait=wait, output=output)

    with_client(work)
