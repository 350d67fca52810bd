from __future__ import annotations

from typing import TYPE_CHECKING

from windlass_cli.options import Format, Output, TaskId
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


def watch(id: TaskId, output: Output = Format.table) -> None:
    """Follow one task to its end, live.

    The exit code is its outcome. Ctrl-C ends the watching, not the task.

    \b
    windlass watch 7
    windlass watch 7 -o jsonl | jq --unbuffered .event
    """

    async def work(client: Client) -> int:
        from windlass_cli.follow import follow
        from windlass_cli.views import EventsView, TextView

        return await follow(client, id, TextView() if output.for_people else EventsView(output))

    with_client(work)
