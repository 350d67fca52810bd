"""`windlass top`: the whole on one screen, live, for whoever has to act on it.

`board.py` `listing.py` `trend.py` `followed.py` know what is true, without a terminal; `feeds.py` asks the server;
`columns.py` `summary.py` make lines of it; `app.py` `rows.py` `dialogs.py` show them; `acting.py` acts on tasks.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from windlass_cli.exits import USAGE, Failure
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client


def top() -> None:
    """Keep the whole on the screen, live; steer it by keys.

    Pools, health, the queue and the history; enter shows a task with its output, ? lists the keys, q leaves.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure(USAGE, "top needs a terminal; in a pipe: windlass overview --watch, or windlass active --watch")

    async def work(client: Client) -> None:
        from windlass_cli.top.app import Top

        who = await client.access.whoami()
        app = Top(client, who=f"{who.subject} ({who.role.lower()})")
        await app.run_async()
        if app.broke:
            raise app.broke

    with_client(work)
