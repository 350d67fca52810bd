"""Who may call, from where, and with what token."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from windlass.control.guard import write_token
from windlass.control.server import Server, check_loopback
from windlass.errors import BootError
from windlass_proto.v1 import history_service_pb2 as history
from windlass_proto.v1 import history_service_pb2_grpc, schedules_service_pb2_grpc, tasks_service_pb2_grpc
from windlass_proto.v1 import schedules_service_pb2 as schedules
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, TOKEN, Calling, refused

CALLS = {
    "Tasks": {
        "Enqueue": tasks.EnqueueRequest(),
        "BatchEnqueue": tasks.BatchEnqueueRequest(),
        "Get": tasks.GetTaskRequest(name="tasks/1"),
        "List": tasks.ListTasksRequest(),
        "Interrupt": tasks.InterruptRequest(name="tasks/1"),
        "Retry": tasks.RetryTaskRequest(name="tasks/1"),
        "Reprioritize": tasks.ReprioritizeRequest(name="tasks/1"),
        "Explain": tasks.ExplainRequest(name="tasks/1"),
        "Watch": tasks.WatchRequest(name="tasks/1"),
    },
    "History": {
        "Get": history.GetCardRequest(name="cards/1"),
        "List": history.ListCardsRequest(),
        "ListSteps": history.ListStepsRequest(parent="cards/1"),
    },
    "Schedules": {
        "Create": schedules.CreateScheduleRequest(),
        "Get": schedules.GetScheduleRequest(name="schedules/a"),
        "List": schedules.ListSchedulesRequest(),
        "Update": schedules.UpdateScheduleRequest(),
        "Delete": schedules.DeleteScheduleRequest(name="schedules/a"),
        "Pause": schedules.PauseScheduleRequest(name="schedules/a"),
        "Resume": schedules.ResumeScheduleRequest(name="schedules/a"),
        "Run": schedules.RunScheduleRequest(name="schedules/a"),
        "ListTicks": schedules.ListTicksRequest(parent="schedules/a"),
    },
}
SERVICES = {
    "Tasks": tasks.DESCRIPTOR.services_by_name["Tasks"],
    "History": history.DESCRIPTOR.services_by_name["History"],
    "Schedules": schedules.DESCRIPTOR.services_by_name["Schedules"],
}
RPCS = [(service, method) for service, methods in CALLS.items() for method in methods]


async def call(channel: grpc.aio.Channel, service: str, method: str, metadata: Any) -> None:
    stubs: dict[str, Any] = {
        "Tasks": tasks_service_pb2_grpc.TasksStub,
        "History": history_service_pb2_grpc.HistoryStub,
        "Schedules": schedules_service_pb2_grpc.SchedulesStub,
    }
    made = getattr(stubs[service](channel), method)(CALLS[service][method], metadata=metadata, timeout=DEADLINE)
    if method == "Watch":
        async for _ in made:
            pass
    else:
        await made


def test_every_rpc_is_tried() -> None:
    assert {(name, m.name) for name, service in SERVICES.items() for m in service.methods} == set(RPCS)


@pytest.mark.parametrize(("service", "method"), RPCS)
async def test_no_rpc_lets_a_stranger_in(server: Calling, service: str, method: str) -> None:
    strangers: list[Any] = [
        None,
        (("authorization", ""),),
        (("authorization", TOKEN),),
        (("authorization", f"Basic {TOKEN}"),),
        (("authorization", "Bearer"),),
        (("authorization", f"Bearer {TOKEN}x"),),
        (("authorization", f"Bearer {TOKEN[:-1]}"),),
        (("token", TOKEN),),
    ]
    async with grpc.aio.insecure_channel(server.address) as channel:
        for metadata in strangers:
            refusal = await refused(call(channel, service, method, metadata))
            assert refusal.code is grpc.StatusCode.UNAUTHENTICATED, metadata
            assert refusal.reason == "TOKEN_MISSING_OR_WRONG"
            assert TOKEN not in refusal.message
    assert server.count("task") == 0


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_token_lets_in_whatever_the_case_of_its_scheme(server: Calling, scheme: str) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        await call(channel, "Tasks", "List", (("authorization", f"{scheme} {TOKEN}"),))


async def test_the_initiator_is_who_was_let_in_and_not_who_the_request_names(server: Calling) -> None:
    name = await server.enqueue(labels={"initiator": "mallory"})
    found = await server.get(name)
    assert found.initiator
    assert found.initiator != "mallory"
    assert found.origin == 1


async def test_an_rpc_nobody_knows_is_not_told_apart_without_a_token(server: Calling) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        unknown: Any = channel.unary_unary("/windlass.v1.Tasks/Drop", request_serializer=bytes)
        assert (await refused(unknown(b"", timeout=DEADLINE))).code is grpc.StatusCode.UNAUTHENTICATED
        known = (("authorization", f"Bearer {TOKEN}"),)
        refusal = await refused(unknown(b"", metadata=known, timeout=DEADLINE))
        assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", ["", "windlass.v1.Tasks", "windlass.v1.History"])
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
def test_an_address_of_this_machine_alone_is_taken(listen: str) -> None:
    check_loopback(listen)


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
    ],
)
def test_an_address_that_others_can_reach_is_refused(listen: str) -> None:
    with pytest.raises(BootError, match="not a loopback address"):
        check_loopback(listen)


async def test_a_server_refuses_to_listen_for_others(server: Calling) -> None:
    with pytest.raises(BootError, match="not a loopback address"):
        await Server(server.kernel, TOKEN).start("0.0.0.0:0")


async def test_a_port_that_is_taken_is_said(server: Calling) -> None:
    with pytest.raises(BootError, match="choose another --listen"):
        await Server(server.kernel, TOKEN).start(server.address)


def test_the_token_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    before = os.umask(0)
    try:
        token = write_token(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(token) >= 43, "32 random bytes"
    assert write_token(file) == token == file.read_text().strip()
    assert list(tmp_path.iterdir()) == [file]
    assert write_token(tmp_path / "other") != token


def test_two_that_make_the_token_at_once_agree_on_one(tmp_path: Path) -> None:
    for round_ in range(30):
        file = tmp_path / f"token-{round_}"
        ready = threading.Barrier(4)
        tokens: list[str] = []

        def make(file: Path = file, ready: threading.Barrier = ready, tokens: list[str] = tokens) -> None:
            ready.wait()
            tokens.append(write_token(file))

        makers = [threading.Thread(target=make) for _ in range(4)]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        assert len(tokens) == 4
        assert set(tokens) == {file.read_text().strip()}


def test_what_a_crash_left_half_made_does_not_stop_the_next_start(tmp_path: Path) -> None:
    (tmp_path / f"token.{os.getpid()}").write_text("half")
    assert write_token(tmp_path / "token") == (tmp_path / "token").read_text().strip()


def test_an_empty_token_file_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(BootError, match="is empty"):
        write_token(tmp_path / "token")
