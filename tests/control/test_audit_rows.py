"""I16: each privileged call that had an effect has exactly one row in the audit log, and one that failed has none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from windlass.control.roles import ROLES
from windlass.core.access import Role
from windlass_proto.v1 import access_service_pb2 as access
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, Calling, refused

READS = {"Access/ListTokens", "Access/ListAudit"}
"""Privileged for what they show: they have no effect."""
# What other parts of the same work bring: the lead moves each into CALLS below, and removes this set.
NOT_SERVED_YET = {
    *("Tasks/BulkInterrupt", "Tasks/BulkRetry", "Tasks/BulkReprioritize"),
    *(f"Schedules/{verb}" for verb in ("Create", "Update", "Delete", "Pause", "Resume", "Run")),
    *(f"Cluster/{verb}" for verb in ("DrainNode", "ResumeNode", "ResizePool", "PausePool", "ResumePool")),
    *(f"Cluster/{verb}" for verb in ("PauseKind", "ResumeKind", "Reload")),
}
"""`Operations/Call` writes when its operation says so: its own tests look at its rows."""

Make = Callable[[Calling], Awaitable[Any]]
"""Prepares, and returns the call that is not yet made."""


async def interrupt(server: Calling) -> Any:
    name = await server.enqueue("Wait")
    return server.tasks.Interrupt, tasks.InterruptRequest(name=name, reason="why")


async def retry(server: Calling) -> Any:
    name = await server.enqueue()
    await server.ended(name)
    return server.tasks.Retry, tasks.RetryTaskRequest(name=name)


async def reprioritize(server: Calling) -> Any:
    name = await server.enqueue("Wait")
    return server.tasks.Reprioritize, tasks.ReprioritizeRequest(name=name, priority=9)


async def create_token(server: Calling) -> Any:
    return server.access.CreateToken, access.CreateTokenRequest(subject="ada", role=1)  # type: ignore[arg-type]


async def revoke_token(server: Calling) -> Any:
    token, _ = await server.token()
    return server.access.RevokeToken, access.RevokeTokenRequest(name=f"tokens/{token}")


CALLS: dict[str, tuple[Make, Callable[[Any], Any]]] = {
    "Tasks/Interrupt": (interrupt, lambda _: tasks.InterruptRequest(name="tasks/999")),
    "Tasks/Retry": (retry, lambda _: tasks.RetryTaskRequest(name="tasks/999")),
    "Tasks/Reprioritize": (reprioritize, lambda _: tasks.ReprioritizeRequest(name="tasks/999", priority=3)),
    "Access/CreateToken": (create_token, lambda _: access.CreateTokenRequest(subject="ada")),
    "Access/RevokeToken": (revoke_token, lambda _: access.RevokeTokenRequest(name="tokens/999")),
}
"""The call that works, and a request that fails."""


def test_every_privileged_call_is_made_here() -> None:
    privileged = {
        f"{service}/{name}" for service, names in ROLES.items() for name, role in names.items() if role >= Role.OPERATOR
    }
    assert privileged == CALLS.keys() | READS | NOT_SERVED_YET


@pytest.mark.parametrize("name", CALLS)
async def test_a_privileged_call_has_exactly_one_row_and_none_when_it_fails(server: Calling, name: str) -> None:
    prepare, failing = CALLS[name]
    method, request = await prepare(server)
    before = server.count("audit")
    await refused(method(failing(server), timeout=DEADLINE))
    assert server.count("audit") == before
    await method(request, timeout=DEADLINE)
    assert server.count("audit") == before + 1
    [entry, *_] = (await server.access.ListAudit(access.ListAuditRequest(), timeout=DEADLINE)).entries
    assert entry.method == f"windlass.v1.{name}"
    assert entry.resource


@pytest.mark.parametrize("name", CALLS)
async def test_a_privileged_call_that_was_not_allowed_has_no_row(server: Calling, name: str) -> None:
    _, request = await CALLS[name][0](server)
    before = server.count("audit")
    _, secret = await server.token(Role.SUBMITTER)
    async with server.holder(secret) as other:
        service, method = name.split("/")
        stub = other.tasks if service == "Tasks" else other.access
        refusal = await refused(getattr(stub, method)(request, timeout=DEADLINE))
    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
    assert server.count("audit") == before


async def test_what_was_done_already_is_not_written_down_again(server: Calling) -> None:
    token, _ = await server.token()
    request = access.RevokeTokenRequest(name=f"tokens/{token}")
    for _ in range(2):
        await server.access.RevokeToken(request, timeout=DEADLINE)
    assert server.count("audit") == 1
