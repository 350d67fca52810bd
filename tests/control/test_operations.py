"""The Operations service: what plugins add to the control plane, with its schema, its role, and its row in the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any

import grpc
import msgspec
import pytest
import pytest_asyncio
import structlog
from windlass import Door, Operation, OperationCall, Rejected, Role, Settings, hookimpl
from windlass.store.port import Store
from windlass_proto.v1 import access_service_pb2 as access
from windlass_proto.v1 import operations_service_pb2 as pb
from windlass_proto.v1 import task_pb2

from tests.control.calling import DEADLINE, Calling, State, calling, refused
from tests.waiting import eventually


class Which(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1)] = 10
    names: list[str] = []
    password: Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True})] = ""


class Requeued(msgspec.Struct):
    tasks: list[int]
    by: str


class Letters:
    """Dead letters, of which there are none."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.gate = asyncio.Event()
        self.ended = 0

    @hookimpl
    def windlass_register_operations(self, settings: Settings) -> Iterable[Operation]:
        return [
            Operation("requeue", "Requeue", "Each is tried again.", self.requeue, Which, Requeued),
            Operation("count", "Count", "How many there are.", self.count, result=int, role=Role.VIEWER, writes=False),
            Operation("move", "Move", "Moves them.", self.move, role=Role.SUBMITTER),
            Operation("refuse", "Refuse", "Never works.", self.refuse),
            Operation("break", "Break", "Always breaks.", self.breaks, writes=False),
            Operation("wait", "Wait", "Takes its time.", self.wait, seconds=5.0),
            Operation("hurry", "Hurry", "Has no time.", self.wait, seconds=0.05),
            Operation("shout", "Shout", "Says too much.", self.shout, writes=False),
        ]

    async def requeue(self, call: OperationCall, argument: Which) -> Requeued:
        self.calls.append((call.caller, call.reason, argument))
        made = [await call.enqueue("Echo", {"n": n}, title=name) for n, name in enumerate(argument.names)]
        return Requeued(made, call.caller)

    async def count(self, call: OperationCall, argument: Any) -> int:
        assert isinstance(call, Door)
        return 7

    async def move(self, call: OperationCall, argument: Any) -> None:
        self.calls.append((call.caller, call.reason, argument))

    async def refuse(self, call: OperationCall, argument: Any) -> None:
        raise Rejected("there are none; wait for one")

    async def breaks(self, call: OperationCall, argument: Any) -> None:
        raise KeyError("the secret thing")

    async def wait(self, call: OperationCall, argument: Any) -> str:
        await self.gate.wait()
        self.ended += 1
        return "done"

    async def shout(self, call: OperationCall, argument: Any) -> str:
        return "x" * (1024 * 1024)


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest_asyncio.fixture
async def server(dsn: str, store: Store, letters: Letters) -> AsyncIterator[Calling]:
    async with calling(dsn, store, plugins={"letters": letters}) as made:
        yield made
        letters.gate.set()


def asking(name: str, argument: Any = None, reason: str = "") -> pb.CallOperationRequest:
    data = argument if isinstance(argument, bytes) else b"" if argument is None else json.dumps(argument).encode()
    payload = task_pb2.Payload(data=data) if data else None
    return pb.CallOperationRequest(name=f"operations/letters.{name}", argument=payload, reason=reason)


async def call(server: Calling, name: str, argument: Any = None, reason: str = "") -> Any:
    reply = await server.operations.Call(asking(name, argument, reason), timeout=DEADLINE)
    assert reply.result.content_type == "application/json"
    return json.loads(reply.result.data)


async def test_operations_are_listed_by_name_with_their_schemas_and_roles(server: Calling) -> None:
    found = (await server.operations.List(pb.ListOperationsRequest(), timeout=DEADLINE)).operations
    by_name = {one.name: one for one in found}
    assert list(by_name) == sorted(by_name)
    requeue, count = by_name["operations/letters.requeue"], by_name["operations/letters.count"]
    assert (requeue.title, requeue.description) == ("Requeue", "Each is tried again.")
    assert (requeue.writes, requeue.role) == (True, "operator")
    assert (count.writes, count.role) == (False, "viewer")
    schema = json.loads(requeue.argument_schema.data)
    fields = schema["$defs"]["Which"]["properties"]
    assert fields["limit"] == {"type": "integer", "minimum": 1, "default": 10}
    assert json.loads(count.result_schema.data) == {"type": "integer"}
    assert not by_name["operations/letters.move"].HasField("result_schema")


async def test_a_call_is_decoded_run_and_written_down(server: Calling, letters: Letters) -> None:
    argument = {"limit": 3, "names": ["one", "two"], "password": "hunter2"}
    result = await call(server, "requeue", argument, reason="they are innocent")
    [(who, why, seen)] = letters.calls
    assert (why, seen) == ("they are innocent", Which(3, ["one", "two"], "hunter2"))
    assert result["by"] == who
    assert await server.audited() == [("Call", "operations/letters.requeue")]
    [entry] = (await server.access.ListAudit(access.ListAuditRequest(), timeout=DEADLINE)).entries
    assert (entry.subject, entry.reason) == (who, "they are innocent")
    assert "hunter2" not in str(entry), "what its type marks as secret is left out"
    task = await server.ended(f"tasks/{result['tasks'][1]}")
    assert (task.state, task.title, task.trigger) == (State.STATE_COMPLETED, "two", "operator")
    assert (task.initiator, task.origin) == (who, task_pb2.ORIGIN_USER), "on behalf of who called"


async def test_one_that_only_reads_has_no_row(server: Calling) -> None:
    assert await call(server, "count") == 7
    assert await server.audited() == []


async def test_an_operation_demands_its_own_role(server: Calling, letters: Letters) -> None:
    opened = {
        Role.VIEWER: {"count"},
        Role.SUBMITTER: {"count", "move"},
        Role.OPERATOR: {"count", "move", "requeue"},
    }
    for role, names in opened.items():
        _, secret = await server.token(role)
        async with server.holder(secret) as other:
            for name in ("count", "move", "requeue"):
                before = server.count("audit")
                if name in names:
                    await call(other, name)
                    continue
                refusal = await refused(call(other, name))
                assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW")
                assert refusal.facts["role"] == role.name.lower()
                assert server.count("audit") == before
    assert len(letters.calls) == 3


@pytest.mark.parametrize(
    ("argument", "field", "words"),
    [
        ({"limit": "x"}, "argument.limit", "Expected `int`, got `str`"),
        ({"limit": 0}, "argument.limit", "Expected `int` >= 1"),
        ({"names": ["a", 1]}, "argument.names[1]", "Expected `str`, got `int`"),
        ({"limti": 1}, "argument", "unknown field `limti`"),
        ([], "argument", "Expected `object`, got `array`"),
        (b"{", "argument", "truncated"),
        (b"\xff", "argument", "does not fit"),
    ],
)
async def test_an_argument_that_does_not_fit_is_refused_with_its_path(
    server: Calling, letters: Letters, argument: Any, field: str, words: str
) -> None:
    refusal = await refused(call(server, "requeue", argument))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ARGUMENT_INVALID")
    assert refusal.field == field
    assert words in refusal.message
    assert (letters.calls, await server.audited()) == ([], [])


async def test_what_can_not_be_called_says_why(server: Calling) -> None:
    refusal = await refused(call(server, "requeu"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND")
    assert "did you mean letters.requeue?" in refusal.message
    for request, field in (
        (pb.CallOperationRequest(name="letters.requeue"), "name"),
        (asking("requeue", reason="x" * 501), "reason"),
        (
            pb.CallOperationRequest(
                name="operations/letters.count", argument=task_pb2.Payload(content_type="text/plain")
            ),
            "argument.content_type",
        ),
    ):
        refusal = await refused(server.operations.Call(request, timeout=DEADLINE))
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert await server.audited() == []


async def test_one_that_says_no_is_told_in_its_words_and_was_asked_all_the_same(server: Calling) -> None:
    refusal = await refused(call(server, "refuse"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "OPERATION_REJECTED")
    assert refusal.message == "operation letters.refuse: there are none; wait for one"
    assert await server.audited() == [("Call", "operations/letters.refuse")]


async def test_one_that_breaks_is_an_error_id_whose_details_are_in_the_log(server: Calling) -> None:
    for name in ("break", "shout"):
        with structlog.testing.capture_logs() as logged:
            refusal = await refused(call(server, name))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert "secret" not in refusal.message
        [line] = [line for line in logged if line["log_level"] == "error"]
        assert line["error_id"] == refusal.facts["error_id"]


async def test_one_that_takes_too_long_is_ended(server: Calling, letters: Letters) -> None:
    refusal = await refused(call(server, "hurry"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "OPERATION_TIMED_OUT")
    letters.gate.set()
    assert letters.ended == 0


async def test_a_call_goes_on_to_its_end_although_its_caller_hangs_up(server: Calling, letters: Letters) -> None:
    hanging = server.operations.Call(asking("wait"), timeout=DEADLINE)

    async def is_asked() -> bool:
        return server.count("audit") == 1

    asked = asyncio.ensure_future(hanging)
    await eventually(is_asked)
    hanging.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    letters.gate.set()
    await eventually(lambda: letters.ended == 1)
    assert await server.audited() == [("Call", "operations/letters.wait")]
