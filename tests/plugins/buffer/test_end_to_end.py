"""A real node with a site: from a producer's submit to the main database, to its replica, and to what people see."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from windlass.store.port import Store
from windlass_buffer_client import BufferClient, Record, Statement
from windlass_proto.v1 import history_service_pb2 as history
from windlass_proto.v1 import operations_service_pb2 as operations
from windlass_proto.v1 import overview_service_pb2 as overview
from windlass_proto.v1 import task_pb2

from tests.control.calling import DEADLINE, Calling, calling
from tests.plugins.buffer.replicas import Pair
from tests.waiting import eventually

TABLE = "create table note (id int primary key, text text not null, place bigint generated always as identity)"
STATEMENTS = [
    {
        "name": "note.add",
        "sql": "insert into note (id, text) values (%(id)s, %(text)s)",
        "parameters": {"id": "int", "text": "text"},
    }
]


class Shop:
    """One site of one node."""

    def __init__(self, url: str, pair: Pair, site: str, server: Calling) -> None:
        self.pair, self.site, self.server = pair, site, server
        self.buffer = BufferClient(url, site, replicas={"near": pair.replica})

    async def write(self, *numbers: int, **more: Any) -> list[Any]:
        """Each number its own transaction."""
        return [
            (await self.buffer.submit("POST /notes", [note(number)], records=[record(number)], **more)).id
            for number in numbers
        ]

    def notes(self, dsn: str) -> list[int]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return [id for (id,) in connection.execute("select id from note order by place").fetchall()]

    async def call(self, operation: str, **argument: Any) -> Any:
        payload = task_pb2.Payload(data=json.dumps(argument).encode())
        asked = operations.CallOperationRequest(name=f"operations/buffer.{operation}", argument=payload)
        return json.loads((await self.server.operations.Call(asked, timeout=DEADLINE)).result.data)

    async def status(self) -> Any:
        [status] = await self.call("status", site=self.site)
        return status

    async def section(self) -> Any:
        drawn = await self.server.overview.GetOverview(overview.GetOverviewRequest(), timeout=DEADLINE)
        [section] = [each for each in drawn.sections if each.title == "Buffer"]
        return section

    async def is_there(self, state: str, id: Any) -> None:
        async def look() -> bool:
            return (await self.buffer.status(id)).state == state

        await eventually(look, 15)


def note(number: int) -> Statement:
    return Statement("note.add", parameters={"id": number, "text": f"note {number}"})


def record(number: int) -> Record:
    return Record("notes", str(number), {"text": f"note {number}"})


@asynccontextmanager
async def shop_on(dsn: str, store: Store, url: str, pair: Pair, site: str, **more: Any) -> AsyncIterator[Shop]:
    with psycopg.connect(pair.primary, autocommit=True) as connection:
        connection.execute(TABLE)
    place = {"name": site, "redis": url, "dsn": pair.primary, "replica": [{"name": "near", "dsn": pair.replica}]}
    settings = {"buffer": {"site": [place | {"statement": STATEMENTS} | more], "TRANSACTION_RETRY_DELAY": 0.1}}
    async with calling(dsn, store, settings=settings) as server:
        shop = Shop(url, pair, site, server)
        async with shop.buffer:
            yield shop


@pytest.fixture
async def shop(dsn: str, store: Store, valkey_url: str, pair: Pair, site: str) -> AsyncIterator[Shop]:
    async with shop_on(dsn, store, valkey_url, pair, site) as made:
        yield made


async def test_what_is_submitted_is_drained_by_the_resident_replicated_and_seen_in_the_overview(shop: Shop) -> None:
    ids = await shop.write(*range(50))
    await shop.is_there("replicated", ids[-1])
    assert shop.notes(shop.pair.primary) == shop.notes(shop.pair.replica) == list(range(50))

    async def calm() -> Any:
        section = await shop.section()
        return section if section.summary.startswith("idle, 0 buffered, 0 failed") else None

    section = await eventually(calm, 15)
    lines = {line.name: line.value for line in section.lines}
    assert (lines["status"], lines["transactions processed"], lines["replica lag"]) == ("idle", "50", "none")
    assert not any(line.is_alarming for line in section.lines)
    data = json.loads(section.data.data)
    assert data["background_processor"]["transactions_processed"] == 50
    [task] = (await shop.server.history.List(history.ListCardsRequest(filter='kind = "DrainBuffer"'))).cards
    assert (task.task.title, task.task.trigger) == (f"drain the buffer of {shop.site}", "resident")


async def test_what_fails_is_dead_is_repaired_requeued_and_applied(shop: Shop) -> None:
    [_, twin, last] = [await shop.write(number) for number in (1, 1, 2)]
    await shop.is_there("dead", twin[0])
    await shop.is_there("replicated", last[0])
    [letter] = await shop.call("dead", endpoint="POST /notes", error="duplicate key")
    assert (letter["id"], letter["attempts"]) == (str(twin[0]), 3)
    assert (await shop.status())["failed_transactions"] == 1
    with psycopg.connect(shop.pair.primary, autocommit=True) as connection:
        connection.execute("delete from note where id = 1")
    assert (await shop.call("requeue", ids=[letter["id"]]))["requeued"] == 1
    await shop.is_there("replicated", twin[0])
    assert shop.notes(shop.pair.primary) == [2, 1]
    with psycopg.connect(shop.pair.primary, autocommit=True) as connection:
        [position] = connection.execute("select seq from windlass_buffer.position").fetchall()
    assert position == (3,), "what is applied again has no number, and takes none back"
    assert (await shop.status())["failed_transactions"] == 0
    await shop.write(3)
    assert (await shop.call("gaps", site=shop.site)) == [], "a number that came twice is no gap"
