"""The demo's buffered writes: a site goes on writing while its main database is stopped, and nothing is lost.

They are made while the scripts run, and told afterwards.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from windlass_cli import words
from windlass_cli.demo.pages import FOLDER
from windlass_cli.demo.servers import MainDatabase, main_database, valkey
from windlass_cli.demo.serving import make

if TYPE_CHECKING:
    from windlass_buffer_client import BufferClient
    from windlass_client import Client

SITE = "shop"
FIRST, MORE = 20, 40
APPLIED_WITHIN_S = 60.0
NOTICED_WITHIN_S = 20.0
LOOK_EVERY_S = 0.1
MARK = "# Written by `windlass demo`, and removed at its end."
CONFIG = """{mark}

[plugins.entities]
sample = {pages}

[[plugins.buffer.site]]
name = "{site}"
redis = {redis}
dsn = {dsn}

[[plugins.buffer.site.statement]]
name = "order.add"
sql = "insert into orders (id, day, number) values (%(id)s, %(day)s, %(number)s)"
parameters = {{ id = "uuid", day = "text", number = "int" }}
"""
TABLE = """
create table if not exists orders (
    id uuid primary key, day text not null, number integer not null, place bigint generated always as identity
)
"""
FOUND = "select number from orders where day = %s order by place"


class Writes:
    """The site of the demo, and what became of its writes."""

    def __init__(self, url: str, database: MainDatabase) -> None:
        self._url = url
        self._database = database
        self._day = str(uuid4())
        self._playing: asyncio.Task[None] | None = None
        self.told: list[str] = []

    def begin(self, client: Client) -> None:
        self._playing = asyncio.create_task(self._play(client))

    async def tell(self) -> str:
        """Prints what there is to say, to the end of it.  What went wrong; empty when nothing did."""
        assert self._playing is not None
        print("\nMeanwhile a site wrote on, although its main database was stopped:\n", flush=True)
        printed = 0
        while not (is_over := self._playing.done()) or printed < len(self.told):
            for line in self.told[printed:]:
                print(f"  {line}", flush=True)
                printed += 1
            if not is_over:
                await asyncio.wait((self._playing,), timeout=LOOK_EVERY_S)
        error = self._playing.exception()
        return f"The buffered writes: {str(error) or type(error).__name__}" if error else ""

    async def end(self) -> None:
        """They go no further, wherever they are."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def _play(self, client: Client) -> None:
        from windlass_buffer_client import BufferClient

        await self._ask(TABLE)
        await self._stands(client, "idle")
        async with BufferClient(self._url, SITE) as buffer:
            took = await self._write(buffer, range(FIRST))
            self.told.append(f"{FIRST} writes, buffered and then in the main database: {words.duration(took)}.")
            await self._database.stop()
            self.told.append("The main database is stopped.")
            last, took = await self._submit(buffer, range(FIRST, FIRST + MORE))
            found = await buffer.read("orders", str(FIRST + MORE - 1))
            seen = "and readers see them" if found and found.origin == "buffer" else "but readers do not see them"
            self.told.append(f"{MORE} more writes are accepted all the same, in {words.duration(took)}, {seen}.")
            status = await self._stands(client, "database away")
            counts = f"{status['buffer_size']} buffered, {status['failed_transactions']} failed"
            self.told.append(f"windlass buffer status: {status['status']}, {counts}.")
            began = time.monotonic()
            await self._database.start()
            self.told.append("The main database is started again.")
            await buffer.wait_for(last, timeout=APPLIED_WITHIN_S)
            took = time.monotonic() - began
        order = [number for (number,) in await self._ask(FOUND, self._day)]
        assert order == list(range(FIRST + MORE)), f"the database has {order}"
        self.told.append(
            f"All {FIRST + MORE} are there {words.duration(took)} later: in their order, each of them once."
        )

    async def _write(self, buffer: BufferClient, numbers: range) -> float:
        began = time.monotonic()
        last, _ = await self._submit(buffer, numbers)
        await buffer.wait_for(last, timeout=APPLIED_WITHIN_S)
        return time.monotonic() - began

    async def _submit(self, buffer: BufferClient, numbers: range) -> tuple[Any, float]:
        from windlass_buffer_client import Record, Statement

        began = time.monotonic()
        last = None
        for number in numbers:
            order = {"id": str(uuid4()), "day": self._day, "number": number}
            record = Record("orders", str(number), order)
            last = (
                await buffer.submit("POST /orders", [Statement("order.add", parameters=order)], records=[record])
            ).id
        return last, time.monotonic() - began

    async def _stands(self, client: Client, wanted: str) -> dict[str, Any]:
        """What the server says of the site, once it says this."""
        status: dict[str, Any] = {}
        async with asyncio.timeout(NOTICED_WITHIN_S):
            while status.get("status") != wanted:
                [status] = await client.operations.call("buffer.status", {"site": SITE})
                await asyncio.sleep(LOOK_EVERY_S)
        return status

    async def _ask(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        import psycopg

        async with await psycopg.AsyncConnection.connect(self._database.dsn, autocommit=True) as connection:
            asked = await connection.execute(query.encode(), values or None)
            return await asked.fetchall() if asked.description else []


@asynccontextmanager
async def going_on(writes: Writes | None) -> AsyncGenerator[None, None]:
    """What was begun ends with the block, before the client it uses is closed."""
    try:
        yield
    finally:
        if writes:
            await writes.end()


@asynccontextmanager
async def prepared(home: Path) -> AsyncGenerator[Writes | None, None]:
    """Before the demo's server starts: it is configured, and its site has its servers.

    None where the home folder has a configuration of somebody's own: that is not touched.
    """
    config = home / "windlass.toml"
    if config.exists() and not config.read_text(errors="replace").startswith(MARK):
        yield None
        return
    make(home)
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(stack.enter_async_context(valkey(home)))
        try:
            database = await stack.enter_async_context(main_database(home / "shop"))
        finally:
            await asyncio.wait((opening,))
        url = await opening
        texts = {"pages": json.dumps(str(home / FOLDER)), "redis": json.dumps(url), "dsn": json.dumps(database.dsn)}
        config.write_text(CONFIG.format(mark=MARK, site=SITE, **texts))
        try:
            yield Writes(url, database)
        finally:
            config.unlink(missing_ok=True)
