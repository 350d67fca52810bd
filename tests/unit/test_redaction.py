"""What the audit log leaves out of a request."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from windlass.control.redaction import LARGEST_PAYLOAD, LARGEST_REQUEST, LEFT_OUT, described
from windlass.host.secret_names import secret_names
from windlass_proto.v1 import access_service_pb2 as access
from windlass_proto.v1 import operations_service_pb2 as operations
from windlass_proto.v1 import schedules_service_pb2, task_pb2, tasks_service_pb2

Hidden = Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True})]


class Inner(msgspec.Struct):
    pin: Hidden = ""


class Login(msgspec.Struct):
    user: str
    door: Hidden = ""
    inner: list[Inner] = []


def operation(argument: Any) -> operations.CallOperationRequest:
    data = argument if isinstance(argument, bytes) else json.dumps(argument).encode()
    return operations.CallOperationRequest(name="operations/a.b", argument=task_pb2.Payload(data=data), reason="why")


def shown(argument: Any, secret: frozenset[str] = frozenset()) -> Any:
    return json.loads(described(operation(argument), secret))["argument"]["data"]


def test_a_request_without_secrets_is_kept_as_it_was() -> None:
    request = tasks_service_pb2.InterruptRequest(name="tasks/5", reason="stuck")
    assert json.loads(described(request)) == {"name": "tasks/5", "reason": "stuck"}
    assert shown({"feed": "a", "rows": [1, {"b": None}]}) == {"feed": "a", "rows": [1, {"b": None}]}


def test_what_a_schema_marks_is_left_out_at_any_depth() -> None:
    secret = secret_names([Login, int, dict[str, Any]])
    assert secret == {"door", "pin"}
    given = {"user": "ada", "door": "s3cret", "inner": [{"pin": "1234"}]}
    assert shown(given, secret) == {"user": "ada", "door": LEFT_OUT, "inner": [{"pin": LEFT_OUT}]}


def test_what_is_named_like_a_secret_is_left_out_unmarked() -> None:
    names = ("password", "DB_PASSWD", "clientSecret", "access_token", "apiKey", "private-key", "Authorization", "dsn")
    assert shown(dict.fromkeys(names, "x")) == dict.fromkeys(names, LEFT_OUT)
    assert shown({"author": "x", "keyboard": "y"}) == {"author": "x", "keyboard": "y"}


def test_large_payloads_and_what_is_no_json_are_left_out() -> None:
    large = b'"' + b"s3cret" * 1_000 + b'"'
    assert shown(large) == f"({len(large)} bytes left out)"
    assert len(large) > LARGEST_PAYLOAD
    assert shown(b"s3cret: {") == "(9 bytes that are no JSON left out)"
    assert shown(b"[" * 3_000) == "(3000 bytes that are no JSON left out)"


def test_payloads_are_found_wherever_they_stand() -> None:
    request = schedules_service_pb2.CreateScheduleRequest()
    request.schedule.payload.data = b'{"password": "s3cret", "n": 1}'
    request.schedule.labels["team"] = "ops"
    found = json.loads(described(request))
    assert found["schedule"]["payload"]["data"] == {"password": LEFT_OUT, "n": 1}
    assert found["schedule"]["labels"] == {"team": "ops"}


def test_payloads_in_lists_are_found_too() -> None:
    request = tasks_service_pb2.BatchEnqueueRequest()
    for n in range(2):
        request.requests.add().task.payload.data = b'{"token": "s3cret", "n": %d}' % n
    found = json.loads(described(request))
    assert [one["task"]["payload"]["data"] for one in found["requests"]] == [
        {"token": LEFT_OUT, "n": 0},
        {"token": LEFT_OUT, "n": 1},
    ]


def test_a_field_that_the_protos_mark_is_left_out() -> None:
    answer = access.CreateTokenResponse(secret="wdl_secret")
    answer.token.subject = "ada"
    assert json.loads(described(answer)) == {"token": {"subject": "ada"}}


def test_a_request_without_end_is_only_measured() -> None:
    request = tasks_service_pb2.BulkInterruptRequest(filter="x" * LARGEST_REQUEST)
    assert json.loads(described(request)) == {LEFT_OUT: f"{LARGEST_REQUEST + 13} characters"}


def test_the_request_itself_is_left_as_it_was() -> None:
    request = operation({"password": "s3cret"})
    described(request)
    assert request == operation({"password": "s3cret"})
