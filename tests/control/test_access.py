"""Who may call what: every RPC of the protos, with every role, and with tokens of every kind."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
import pytest
import windlass_proto.v1
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from windlass.config import ServerConfig
from windlass.control import roles
from windlass.control.roles import ROLES, SCOPED, check_roles, role_of
from windlass.control.server import Server, check_listen
from windlass.core.access import Role, allows
from windlass.errors import BootError
from windlass.host.access import new_secret
from windlass.store.port import Store

from tests.control.calling import DEADLINE, ROOT, TOKEN, Calling, bearer, calling

SHUT_OUT = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
SILENT = 2.0
"""Seconds after which a stream that says nothing was let in."""


class Rpc(NamedTuple):
    path: str
    reads_stream: bool
    writes_stream: bool

    @property
    def service(self) -> str:
        return self.path.split("/")[1].removeprefix("windlass.v1.")


def _every_rpc() -> Iterator[Rpc]:
    for module in pkgutil.iter_modules(windlass_proto.v1.__path__):
        if not module.name.endswith("_service_pb2"):
            continue
        found = importlib.import_module(f"windlass_proto.v1.{module.name}").DESCRIPTOR
        for service in found.services_by_name.values():
            for method in service.methods:
                yield Rpc(f"/{service.full_name}/{method.name}", method.client_streaming, method.server_streaming)


RPCS = sorted(_every_rpc())


class Answer(NamedTuple):
    code: grpc.StatusCode
    reason: str = ""
    message: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def shut_out(self) -> bool:
        return self.code in SHUT_OUT


async def call(channel: grpc.aio.Channel, rpc: Rpc, metadata: Any) -> Answer:
    """What an empty request is answered with; what counts here is whether the guard lets it through."""
    try:
        if rpc.reads_stream:
            exchange: Any = channel.stream_stream(rpc.path)(metadata=metadata, timeout=SILENT)
            await exchange.done_writing()
            await exchange.read()
        elif rpc.writes_stream:
            ask: Any = channel.unary_stream(rpc.path)
            stream = ask(b"", metadata=metadata, timeout=SILENT)
            await stream.read()
            stream.cancel()
        else:
            only: Any = channel.unary_unary(rpc.path)
            await only(b"", metadata=metadata, timeout=DEADLINE)
    except grpc.aio.AioRpcError as error:
        return _told(error)
    return Answer(grpc.StatusCode.OK)


def _told(error: grpc.aio.AioRpcError) -> Answer:
    info = error_details_pb2.ErrorInfo()
    trailer: dict[str, Any] = dict(error.trailing_metadata() or ())
    if raw := trailer.get("grpc-status-details-bin"):
        for detail in status_pb2.Status.FromString(raw).details:
            if detail.Unpack(info):
                break
    return Answer(error.code(), info.reason, error.details() or "", tuple(info.metadata.items()))


async def call_all(server: Calling, metadata: Any) -> dict[Rpc, Answer]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        found = await asyncio.gather(*(call(channel, rpc, metadata) for rpc in RPCS))
    return dict(zip(RPCS, found, strict=True))


def test_the_protos_hold_rpcs_and_the_table_of_roles_holds_just_these() -> None:
    table = {f"/windlass.v1.{service}/{name}" for service, names in ROLES.items() for name in names}
    assert table == {rpc.path for rpc in RPCS}
    assert len(RPCS) > 40
    assert table >= SCOPED


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_opens_what_its_table_says_and_nothing_else(server: Calling, role: Role) -> None:
    _, secret = await server.token(role)
    for rpc, answer in (await call_all(server, bearer(secret))).items():
        least = role_of(rpc.path)
        assert least is not None
        assert answer.shut_out is not allows(role, least), (rpc, answer)
        if answer.shut_out:
            assert (answer.code, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW"), rpc
            assert dict(answer.facts) == {"needed": least.name.lower(), "role": role.name.lower()}
            assert least.name.lower() in answer.message


SESSION = "/windlass.v1.Workers/Session"


async def test_an_agent_opens_its_session_and_nothing_else(server: Calling) -> None:
    _, secret = await server.token(Role.AGENT)
    answers = await call_all(server, bearer(secret))
    assert {rpc.path for rpc, answer in answers.items() if not answer.shut_out} == {SESSION}


STRANGERS: list[Any] = [
    None,
    (("authorization", ""),),
    (("authorization", TOKEN),),
    (("authorization", f"Basic {TOKEN}"),),
    (("authorization", "Bearer"),),
    (("authorization", f"Bearer {TOKEN}x"),),
    (("authorization", f"Bearer {TOKEN[:-1]}"),),
    (("token", TOKEN),),
    bearer("wdl_" + "A" * 42),
    bearer(new_secret()),
]


@pytest.mark.parametrize("metadata", STRANGERS)
async def test_no_rpc_lets_a_stranger_in(server: Calling, metadata: Any) -> None:
    for rpc, answer in (await call_all(server, metadata)).items():
        assert (answer.code, answer.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING_OR_WRONG"), rpc
        assert "WINDLASS_TOKEN" in answer.message, "what to do is said"
        assert TOKEN not in answer.message
    assert server.count("task") == 0


@pytest.mark.parametrize("role", list(Role))
async def test_a_revoked_token_opens_nothing_and_is_told_so(server: Calling, role: Role) -> None:
    token, secret = await server.token(role)
    await server.kernel.access.revoke(token, ROOT)
    for rpc, answer in (await call_all(server, bearer(secret))).items():
        assert (answer.code, answer.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_REVOKED"), rpc
        assert secret not in answer.message


@pytest.mark.parametrize("role", list(Role))
async def test_an_expired_token_opens_nothing_and_is_told_so(server: Calling, role: Role) -> None:
    _, secret = await server.token(role, ttl=0.0)
    for rpc, answer in (await call_all(server, bearer(secret))).items():
        assert (answer.code, answer.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED"), rpc


async def test_a_token_for_some_pools_opens_only_what_looks_at_them(server: Calling) -> None:
    _, secret = await server.token(Role.ADMIN, "default")
    for rpc, answer in (await call_all(server, bearer(secret))).items():
        if rpc.path == SESSION:
            continue  # its scope is that of an agent's token
        assert answer.shut_out is (rpc.path not in SCOPED), (rpc, answer)
        if answer.shut_out:
            assert (answer.code, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_TOO_NARROW"), rpc


async def test_every_service_of_the_protos_is_served(server: Calling) -> None:
    answers = await call_all(server, bearer(TOKEN))
    assert not {rpc.path for rpc, answer in answers.items() if answer.code is grpc.StatusCode.UNIMPLEMENTED}
    assert not {rpc.path for rpc, answer in answers.items() if answer.code is grpc.StatusCode.UNKNOWN}


def test_a_served_method_without_a_role_stops_the_boot(server: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(roles.ROLES["History"], "ListSteps")
    with pytest.raises(BootError, match=r"no role is set for /windlass\.v1\.History/ListSteps"):
        Server(server.kernel, TOKEN)


def test_what_other_packages_serve_needs_a_role_too() -> None:
    with pytest.raises(BootError, match=r"/other\.Thing/Do"):
        check_roles(["/windlass.v1.Tasks/Get", "/other.Thing/Do"])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_token_lets_in_whatever_the_case_of_its_scheme(server: Calling, scheme: str) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        metadata = (("authorization", f"{scheme} {TOKEN}"),)
        answer = await call(channel, Rpc("/windlass.v1.Tasks/List", False, False), metadata)
    assert answer.code is grpc.StatusCode.OK


async def test_the_initiator_is_who_was_let_in_and_not_who_the_request_names(server: Calling) -> None:
    name = await server.enqueue(labels={"initiator": "mallory"})
    found = await server.get(name)
    assert found.initiator
    assert found.initiator != "mallory"
    assert found.origin == 1
    _, secret = await server.token(Role.SUBMITTER)
    async with server.holder(secret) as service:
        made = await service.get(await service.enqueue())
    assert (made.initiator, made.origin) == ("a submitter", 2)


async def test_an_rpc_nobody_knows_is_not_told_apart_without_a_token(server: Calling) -> None:
    unknown = Rpc("/windlass.v1.Tasks/Drop", False, False)
    async with grpc.aio.insecure_channel(server.address) as channel:
        assert (await call(channel, unknown, None)).code is grpc.StatusCode.UNAUTHENTICATED
        assert (await call(channel, unknown, bearer(TOKEN))).code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_stranger_that_sends_nothing_is_refused_at_once(server: Calling) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        exchange: Any = channel.stream_stream("/windlass.v1.Tasks/EnqueueStream")(timeout=DEADLINE)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await exchange.read()
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("service", ["", "windlass.v1.Tasks", "windlass.v1.History", "windlass.v1.Access"])
async def test_health_is_open_to_all(server: Calling, service: str) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watching = health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE)
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        watching.cancel()


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:0", "127.9.9.9:1", "[::1]:7654", "localhost:7654", "unix:/run/windlass.sock"]
)
def test_an_address_of_this_machine_alone_needs_no_tls(listen: str) -> None:
    check_listen(listen, ServerConfig())


@pytest.mark.parametrize(
    "listen",
    [
        "0.0.0.0:7654",
        "[::]:7654",
        "*:7654",
        ":7654",
        "7654",
        "",
        "192.168.1.5:7654",
        "[fe80::1]:7654",
        "example.org:7654",
        "localhost.example.org:7654",
        "127.0.0.1.example.org:7654",
        "0:7654",
        "[::ffff:10.0.0.1]:7654",
        "unix-abstract:windlass",
        "dns:///example.org",
    ],
)
def test_an_address_that_others_can_reach_needs_tls_and_says_what_to_set(listen: str) -> None:
    with pytest.raises(BootError, match=r"server\.tls_cert and server\.tls_key.*windlass first-token"):
        check_listen(listen, ServerConfig())


async def test_a_server_refuses_to_listen_for_others(server: Calling) -> None:
    with pytest.raises(BootError, match="not a loopback address"):
        await Server(server.kernel, TOKEN).start("0.0.0.0:0")


async def test_a_port_that_is_taken_is_said(server: Calling) -> None:
    with pytest.raises(BootError, match="choose another --listen"):
        await Server(server.kernel, TOKEN).start(server.address)


async def test_the_tokens_own_calls_say_who_it_is(server: Calling) -> None:
    from windlass_proto.v1 import access_service_pb2 as access

    me = await server.access.WhoAmI(access.WhoAmIRequest(), timeout=DEADLINE)
    assert (int(me.role), int(me.origin), me.credential, list(me.pools)) == (4, 1, "token-file", [])
    assert me.subject


async def test_in_developer_mode_tools_learn_what_there_is_to_be_called(dsn: str, store: Store) -> None:
    async with calling(dsn, store, server_config=ServerConfig(reflection=True)) as server:
        assert await _reflected(server, bearer(TOKEN)) == {rpc.path.split("/")[1] for rpc in RPCS}
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await _reflected(server, None)
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_otherwise_nothing_is_reflected(server: Calling) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await _reflected(server, bearer(TOKEN))
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def _reflected(server: Calling, metadata: Any) -> set[str]:
    """The services of ours that reflection names."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        exchange = stub.ServerReflectionInfo(iter([asked]), metadata=metadata, timeout=DEADLINE)
        [answer] = [answer async for answer in exchange]
    return {found.name for found in answer.list_services_response.service if found.name.startswith("windlass.")}
