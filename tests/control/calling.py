"""A server, a client's stubs, and what an error says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2, status_pb2
from windlass import Context, Failed, Graces, Handler, Outcome, Settings, Success, hookimpl
from windlass.config import NodeConfig, ServerConfig
from windlass.control.server import Limits, Server
from windlass.core.access import Role
from windlass.host.admission import Caller
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.store.port import Store
from windlass.store.tokens import NewToken
from windlass_proto.v1 import (
    access_service_pb2_grpc,
    cluster_service_pb2_grpc,
    event_pb2,
    history_service_pb2_grpc,
    operations_service_pb2_grpc,
    overview_service_pb2_grpc,
    schedules_service_pb2_grpc,
    task_pb2,
    tasks_service_pb2,
    tasks_service_pb2_grpc,
)

from tests.waiting import eventually

TOKEN = "a-token-for-tests"
BEARER = (("authorization", f"Bearer {TOKEN}"),)
ROOT = Caller("tests", 1)
State = task_pb2.Task.State
DEADLINE = 15.0

Numbers = dict[str, int]


class Echo(Handler[Numbers]):
    """Says what it was given, and fails when that holds the key `fail`."""

    kind = "Echo"

    async def run(self, ctx: Context, payload: Numbers) -> Outcome:
        for name, number in payload.items():
            await ctx.step(name, number=number)
        return Failed("asked to fail", result=payload) if "fail" in payload else Success(payload)

    def title(self, payload: Numbers) -> str:
        return "Echo " + ", ".join(payload)


class Wait(Handler[dict[str, int]]):
    """Runs until it is interrupted or the gate opens; says a line for each number put on the tape."""

    kind = "Wait"
    graces = Graces(ask=0.2, raise_=0.2, cleanup=0.2)

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.tape: asyncio.Queue[int] = asyncio.Queue()
        self.obeys = True

    async def run(self, ctx: Context, payload: Numbers) -> Outcome:
        await ctx.stage("waiting")
        ends = [asyncio.create_task(self.gate.wait())]
        if self.obeys:
            ends.append(asyncio.create_task(ctx.cancelled.wait()))
        while not any(end.done() for end in ends):
            word = asyncio.create_task(self.tape.get())
            await asyncio.wait([word, *ends], return_when=asyncio.FIRST_COMPLETED)
            if word.done():
                await ctx.step(f"word {word.result()}")
                await ctx.output(b"%d\n" % word.result())
            word.cancel()
        for end in ends:
            end.cancel()
        return Success()


class Plugin:
    def __init__(self) -> None:
        self.wait = Wait()

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Echo(), self.wait]


class Calling:
    """`tasks`, `history`, … are stubs on an authenticated channel; every call has the deadline of the tests."""

    def __init__(self, dsn: str, kernel: Kernel, plugin: Plugin, address: str, channel: grpc.aio.Channel) -> None:
        self.dsn = dsn
        self.kernel = kernel
        self.plugin = plugin
        self.wait = plugin.wait
        self.address = address
        self.channel = channel
        self.tasks = tasks_service_pb2_grpc.TasksStub(channel)
        self.history = history_service_pb2_grpc.HistoryStub(channel)
        self.access = access_service_pb2_grpc.AccessStub(channel)
        self.cluster = cluster_service_pb2_grpc.ClusterStub(channel)
        self.overview = overview_service_pb2_grpc.OverviewStub(channel)
        self.operations = operations_service_pb2_grpc.OperationsStub(channel)
        self.schedules = schedules_service_pb2_grpc.SchedulesStub(channel)

    async def token(self, role: Role = Role.ADMIN, *pools: str, ttl: float | None = None) -> tuple[int, str]:
        """A new token, made beside the API: its id and its secret."""
        wanted = NewToken(b"", f"a {role.name.lower()}", role, 2, "tests", pools, ttl)
        made, secret = await self.kernel.access.create(wanted)
        return made.id, secret

    @asynccontextmanager
    async def holder(self, secret: str) -> AsyncIterator[Calling]:
        """The same server, called with another token."""
        signing = [_SignUnary(secret), _SignStream(secret)]
        async with grpc.aio.insecure_channel(self.address, interceptors=signing) as channel:
            yield Calling(self.dsn, self.kernel, self.plugin, self.address, channel)

    async def enqueue(self, kind: str = "Echo", payload: Any = None, **task: Any) -> str:
        asked = tasks_service_pb2.EnqueueRequest(task=new(kind, payload, **task))
        return (await self.tasks.Enqueue(asked, timeout=DEADLINE)).task

    async def get(self, name: str) -> task_pb2.Task:
        return await self.tasks.Get(tasks_service_pb2.GetTaskRequest(name=name), timeout=DEADLINE)

    async def at(self, name: str, *states: int) -> task_pb2.Task:
        async def look() -> task_pb2.Task | None:
            found = await self.get(name)
            return found if found.state in states else None

        found = await eventually(look)
        assert found is not None
        return found

    async def ended(self, name: str) -> task_pb2.Task:
        return await self.at(name, State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELED)

    async def watched(self, name: str, after: int = 0) -> list[event_pb2.Event]:
        """Every event to the end of the stream."""
        request = tasks_service_pb2.WatchRequest(name=name, after_sequence=after)
        return [event async for event in self.tasks.Watch(request, timeout=DEADLINE)]

    async def audited(self) -> list[tuple[str, str]]:
        """Method and resource of every privileged call, oldest first."""
        page = await self.kernel._store.audit.entries(100)
        return [(entry.note.method.rpartition("/")[2], entry.note.resource) for entry in reversed(page.items)]

    def count(self, table: str) -> int:
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute(f"select count(*) from windlass.{table}".encode()).fetchone()
        assert row is not None
        return int(row[0])


def new(kind: str = "Echo", payload: Any = None, **task: Any) -> tasks_service_pb2.NewTask:
    data = payload if isinstance(payload, bytes) else json.dumps(payload or {}).encode()
    return tasks_service_pb2.NewTask(kind=kind, payload=task_pb2.Payload(data=data), **task)


class Refusal(NamedTuple):
    code: grpc.StatusCode
    reason: str
    field: str
    message: str
    facts: dict[str, str]


async def refused(call: Awaitable[Any]) -> Refusal:
    """What a call was refused with; it must be refused."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return said_by(raised.value)


def said_by(error: grpc.aio.AioRpcError) -> Refusal:
    """The code and the details of an error; each of ours has exactly one ErrorInfo."""
    trailer = dict(error.trailing_metadata() or ())
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    if raw := trailer.get("grpc-status-details-bin"):
        assert isinstance(raw, bytes)
        status = status_pb2.Status.FromString(raw)
        assert status.code == error.code().value[0]
        for detail in status.details:
            assert (
                detail.Unpack(info)
                or detail.Unpack(bad)
                or detail.type_url.startswith("type.googleapis.com/google.rpc.")
            )
        assert info.domain == "windlass"
    fields = [violation.field for violation in bad.field_violations]
    return Refusal(error.code(), info.reason, ",".join(fields), error.details() or "", dict(info.metadata))


@asynccontextmanager
async def calling(
    dsn: str,
    store: Store,
    *,
    listen: str = "127.0.0.1:0",
    server_config: ServerConfig | None = None,
    limits: Limits | None = None,
    plugins: Mapping[str, object] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    **node: Any,
) -> AsyncIterator[Calling]:
    plugin = Plugin()
    extra = {"control": plugin, **(plugins or {})}
    kernel = Kernel(store, load_plugins(settings or {}, extra), NodeConfig(drain_grace=0.2, **node))
    await kernel.start()
    server = Server(kernel, TOKEN, server_config, limits)
    address = await server.start(listen)
    signing = [_SignUnary(TOKEN), _SignStream(TOKEN)]
    try:
        async with grpc.aio.insecure_channel(address, interceptors=signing) as channel:
            yield Calling(dsn, kernel, plugin, address, channel)
    finally:
        plugin.wait.gate.set()
        await kernel.drain()
        await server.stop(0.2)
        await kernel.stop()


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def _signed(details: grpc.aio.ClientCallDetails, secret: str) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()), *bearer(secret))
    return details._replace(metadata=metadata)  # type: ignore[attr-defined, no-any-return]


class _SignUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(_signed(client_call_details, self._secret), request)


class _SignStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(_signed(client_call_details, self._secret), request)
