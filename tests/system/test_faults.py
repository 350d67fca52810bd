"""One fault each, on real processes, with its target in numbers; `make chaos` mixes them."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, LiteralString

import pytest
from psycopg.conninfo import make_conninfo
from windlass_client import Client, Handle, Receipt, ReceiptStatus, Unavailable, WindlassError

from tests.chaos.database import Database, rows
from tests.chaos.ledger import Ledger
from tests.chaos.nodes import Node, Place, Times
from tests.chaos.proxy import Proxy
from tests.waiting import eventually

TIMES = Times(lease=2.0, renew=0.4, grace=1.0)
SCAN = 5.0


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A server of this module's own, because its tests take it down."""
    made = Database(tmp_path_factory.mktemp("faults") / "home")
    yield made
    made.close()


class Field:
    """Nodes on a database of the test's own, their clients, and the ledger that their handlers write."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.dsn = dsn
        self.ends = AsyncExitStack()
        self._ledger = Ledger(folder / "ledger")
        self._place = Place(folder, folder / "ledger", folder / "ledger" / "hits", TIMES)
        self._place.install()
        self._nodes: list[Node] = []

    async def node(self, failpoints: str = "", dsn: str = "") -> Node:
        made = Node(f"node-{len(self._nodes)}", self._place, dsn or self.dsn)
        self._nodes.append(made)
        self.ends.callback(made.end)
        made.start(failpoints)
        await made.ready()
        return made

    async def client(self, node: Node, timeout: float = 20.0) -> Client:
        return await self.ends.enter_async_context(node.client(timeout))

    def starts(self) -> list[tuple[int, int]]:
        """Task and attempt of every execution so far."""
        return [(line["task"], line["attempt"]) for line in self._ledger.executions() if line["what"] == "start"]

    def hits(self) -> list[dict[str, Any]]:
        return list(self._ledger.lines("hits"))

    async def ask(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(rows, self.dsn, query, *values)

    async def ended(self, count: int, within: float = 30.0) -> None:
        """Returns once so many tasks are over."""

        async def enough() -> bool:
            return await self.ask("select count(*) from windlass.outcome") == [(count,)]

        await eventually(enough, within)


@pytest.fixture
async def field(tmp_path: Path, database: Database) -> AsyncIterator[Field]:
    made = Field(tmp_path, await asyncio.to_thread(database.fresh, f"faults_{uuid.uuid4().hex[:8]}"))
    async with made.ends:
        yield made


async def act(client: Client, how: str, seconds: float = 0.0, key: str = "") -> Handle:
    key = key or str(uuid.uuid4())
    return await client.enqueue("Act", {"key": key, "how": how, "seconds": seconds}, request_id=key)


async def acts(client: Client, how: str, count: int, seconds: float = 0.0) -> list[Handle]:
    return await asyncio.gather(*(act(client, how, seconds) for _ in range(count)))


async def test_a_node_stopped_beyond_its_lease_loses_its_work_and_what_it_then_writes_is_refused(field: Field) -> None:
    pause = TIMES.lease + SCAN + 3.0
    # SIGSTOP in front of its first results; they are sent when it wakes up.
    zombie = await field.node(f"finish.unsent=pause:{pause}@#1,finish.committed=note")
    client = await field.client(zombie)
    await acts(client, "nap", 30, seconds=1.5)
    other = await field.node()
    await field.ended(30, within=pause)
    stopped = next(hit["at"] for hit in field.hits() if hit["action"] == "pause")
    lost = await field.ask("select max(extract(epoch from ended_at))::float8, count(*) from windlass.attempt")
    assert lost[0][0] - stopped < TIMES.lease + SCAN + 1.0
    assert lost[0][1] == 30
    results = await field.ask("select id, attempt, state, ended_at from windlass.outcome order by id")

    def woke() -> list[dict[str, Any]]:
        return [hit for hit in field.hits() if hit["pid"] == zombie.pid and hit["action"] == "note"]

    first = (await eventually(woke, within=pause + 5))[0]
    assert first["accepted"] == []
    assert await field.ask("select id, attempt, state, ended_at from windlass.outcome order by id") == results
    assert {attempt for _, attempt, _, _ in results} == {2}
    fresh = await act(client, "quick")
    assert (await fresh.result(10))["attempt"] == 1, "the node works again, under a new epoch"
    assert zombie.is_alive
    assert other.is_alive


async def test_a_stop_under_load_ends_within_the_grace_and_3_seconds_and_strands_nothing(field: Field) -> None:
    first = await field.node()
    client = await field.client(first)
    # Handlers that swallow every cancellation, and would go on for minutes.
    await acts(client, "stubborn", 5, seconds=300.0)
    await acts(client, "nap", 100, seconds=0.7)
    await eventually(lambda: len(field.starts()) >= 60)
    first.signal(signal.SIGTERM)
    took = await first.ended(within=30.0)
    assert took is not None
    assert took < TIMES.grace + 3.0
    assert first.process is not None
    assert first.process.returncode == 0
    assert await field.ask("select count(*) from windlass.running") == [(0,)]
    assert await field.ask("select count(*) from windlass.node where left_at is null") == [(0,)]
    await field.node()
    await field.ended(100)
    repeated = len(field.starts()) - len({task for task, _ in field.starts()})
    explained = await field.ask("select count(*) from windlass.attempt where verdict = 7")
    assert repeated <= explained[0][0]


async def test_after_a_crash_of_postgres_clients_are_back_in_5_s_listeners_in_10_s_and_nothing_is_lost(
    field: Field, database: Database
) -> None:
    node = await field.node()
    client = await field.client(node, timeout=1.0)
    handles = await acts(client, "nap", 60, seconds=0.3)
    await asyncio.to_thread(database.restart)
    back = time.monotonic()

    async def enqueued() -> Handle | None:
        try:
            return await act(client, "quick")
        except WindlassError:
            return None

    last: Handle | None = await eventually(enqueued, within=5.0)
    assert last is not None
    handles.append(last)
    listening = "select pid from pg_stat_activity where datname = current_database() and query = 'listen windlass'"

    async def listens() -> bool:
        return bool(await field.ask(listening))

    await eventually(listens, within=10.0 - (time.monotonic() - back))
    await field.ended(len(handles))
    assert {task for task, _ in field.starts()} == {handle.id for handle in handles}


async def test_200_ids_sent_50_times_each_over_two_servers_make_exactly_200_tasks(field: Field) -> None:
    clients = [await field.client(await field.node()) for _ in range(2)]
    keys = [str(uuid.uuid4()) for _ in range(200)]
    answers: dict[str, list[Receipt]] = {key: [] for key in keys}
    turn = asyncio.Semaphore(100)

    async def send(n: int) -> None:
        async with turn:
            key = keys[n % len(keys)]
            answers[key].append((await act(clients[n % 2 ^ n // len(keys) % 2], "quick", key=key)).receipt)

    await asyncio.gather(*(send(n) for n in range(200 * 50)))
    for receipts in answers.values():
        assert len({receipt.id for receipt in receipts}) == 1
        assert [receipt.status for receipt in receipts].count(ReceiptStatus.CREATED) == 1
        assert len(receipts) == 50
    assert await field.ask("select count(*) from windlass.task") == [(200,)]
    await field.ended(200)
    assert len(field.starts()) == 200


async def test_a_cut_right_after_the_commit_loses_nothing_and_repeats_nothing(field: Field, database: Database) -> None:
    proxy = Proxy(database.port)
    await proxy.start()
    field.ends.push_async_callback(proxy.stop)
    node = await field.node(dsn=make_conninfo(field.dsn, port=proxy.port))
    client = await field.client(node)
    await act(client, "quick")  # every statement is prepared, or about to be
    for n in range(5):
        for verb in ("enqueue", "claim", "finish"):
            proxy.cut(verb, answered=n % 3 > 0)
        await act(client, "nap", seconds=0.02)
    await field.ended(6)
    assert proxy.cuts["enqueue"] == 5
    assert min(proxy.cuts["claim"], proxy.cuts["finish"]) >= 2
    assert await field.ask("select count(*) from windlass.task") == [(6,)]
    assert len(field.starts()) == len(set(field.starts())) == 6


async def test_a_server_that_dies_between_commit_and_answer_has_stored_the_task_once(field: Field) -> None:
    dying = await field.node("enqueue.committed=exit@#1")
    other = await field.node()
    key = str(uuid.uuid4())
    with pytest.raises(Unavailable):
        await act(await field.client(dying, timeout=1.0), "quick", key=key)
    assert not dying.is_alive
    again = await act(await field.client(other), "quick", key=key)
    assert again.receipt.status is ReceiptStatus.REPEATED
    await field.ended(1)
    assert field.starts() == [(again.id, 1)]
