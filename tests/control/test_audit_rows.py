"""I16: each privileged call that had an effect has exactly one row in the audit log, and one that failed has none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from windlass.config import Config, NodeConfig
from windlass.control.roles import ROLES
from windlass.core.access import Role
from windlass.store.agents import AgentFacts, HostFacts
from windlass_proto.v1 import access_service_pb2 as access
from windlass_proto.v1 import cluster_service_pb2 as cluster
from windlass_proto.v1 import schedule_pb2
from windlass_proto.v1 import schedules_service_pb2 as schedules
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, Calling, refused

READS = {"Access/ListTokens", "Access/ListAudit"}
"""Privileged for what they show: they have no effect."""
"""`Operations/Call` writes when its operation says so: its own tests look at its rows."""

Prepare = Callable[[Calling], Awaitable[Any]]
"""Makes what the call needs, and returns its request."""
NIGHTLY = schedule_pb2.Schedule(name="schedules/nightly", kind="Echo", cron="30 4 * * *")
NEVER = "schedules/never"


async def waiting(server: Calling) -> str:
    return await server.enqueue("Wait")


async def interrupt(server: Calling) -> Any:
    return tasks.InterruptRequest(name=await waiting(server), reason="why")


async def retry(server: Calling) -> Any:
    name = await server.enqueue()
    await server.ended(name)
    return tasks.RetryTaskRequest(name=name)


async def reprioritize(server: Calling) -> Any:
    return tasks.ReprioritizeRequest(name=await waiting(server), priority=9)


async def create_schedule(server: Calling) -> Any:
    return schedules.CreateScheduleRequest(schedule=NIGHTLY)


async def update_schedule(server: Calling) -> Any:
    await server.schedules.Create(schedules.CreateScheduleRequest(schedule=NIGHTLY), timeout=DEADLINE)
    changed = schedule_pb2.Schedule()
    changed.CopyFrom(NIGHTLY)
    changed.cron = "0 5 * * *"
    return schedules.UpdateScheduleRequest(schedule=changed)


def on_schedule(request: Any, **more: Any) -> Prepare:
    async def prepare(server: Calling) -> Any:
        await server.schedules.Create(schedules.CreateScheduleRequest(schedule=NIGHTLY), timeout=DEADLINE)
        return request(name=NIGHTLY.name, **more)

    return prepare


async def create_token(server: Calling) -> Any:
    return access.CreateTokenRequest(subject="ada", role=1)  # type: ignore[arg-type]


async def revoke_token(server: Calling) -> Any:
    token, _ = await server.token()
    return access.RevokeTokenRequest(name=f"tokens/{token}")


def of(request: Any) -> Prepare:
    async def prepare(server: Calling) -> Any:
        return request

    return prepare


def on_node(request: Any) -> Prepare:
    async def prepare(server: Calling) -> Any:
        return request(name=f"nodes/{server.kernel.node.epoch}")

    return prepare


def on_agent(request: Any) -> Prepare:
    async def prepare(server: Calling) -> Any:
        facts = AgentFacts("web-01", "m", 7, 9, HostFacts("web-01"), {"agent:web-01": 1}, ())
        await server.kernel._store.agents.join(facts, 30.0)
        return request(name="agents/web-01")

    return prepare


async def on_agent_away(server: Calling) -> Any:
    request = await on_agent(cluster.ForgetAgentRequest)(server)
    store = server.kernel._store
    [agent] = await store.agents.agents()
    await store.cluster.leave(agent.epoch)
    return request


async def reload(server: Calling) -> Any:
    config = Config(home="/h", node=NodeConfig(drain_grace=0.2))
    server.kernel.rereads(config, lambda: config, lambda _: None)
    return cluster.ReloadRequest(reason="why")


CALLS: dict[str, tuple[Prepare, Any]] = {
    "Tasks/Interrupt": (interrupt, tasks.InterruptRequest(name="tasks/999")),
    "Tasks/Retry": (retry, tasks.RetryTaskRequest(name="tasks/999")),
    "Tasks/BulkInterrupt": (
        of(tasks.BulkInterruptRequest(filter="id > 0", reason="why")),
        tasks.BulkInterruptRequest(),
    ),
    "Tasks/BulkRetry": (of(tasks.BulkRetryRequest(filter="id > 0", reason="why")), tasks.BulkRetryRequest()),
    "Tasks/BulkReprioritize": (
        of(tasks.BulkReprioritizeRequest(filter="id > 0", reason="why", priority=7)),
        tasks.BulkReprioritizeRequest(),
    ),
    "Tasks/Reprioritize": (reprioritize, tasks.ReprioritizeRequest(name="tasks/999", priority=3)),
    "Schedules/Create": (create_schedule, schedules.CreateScheduleRequest()),
    "Schedules/Update": (update_schedule, schedules.UpdateScheduleRequest()),
    "Schedules/Delete": (on_schedule(schedules.DeleteScheduleRequest), schedules.DeleteScheduleRequest(name=NEVER)),
    "Schedules/Pause": (on_schedule(schedules.PauseScheduleRequest), schedules.PauseScheduleRequest(name=NEVER)),
    "Schedules/Resume": (on_schedule(schedules.ResumeScheduleRequest), schedules.ResumeScheduleRequest(name=NEVER)),
    "Schedules/Run": (on_schedule(schedules.RunScheduleRequest), schedules.RunScheduleRequest(name=NEVER)),
    "Cluster/DrainNode": (on_node(cluster.DrainNodeRequest), cluster.DrainNodeRequest(name="nodes/999")),
    "Cluster/ResumeNode": (on_node(cluster.ResumeNodeRequest), cluster.ResumeNodeRequest(name="nodes/999")),
    "Cluster/DrainAgent": (on_agent(cluster.DrainAgentRequest), cluster.DrainAgentRequest(name="agents/nobody")),
    "Cluster/ResumeAgent": (on_agent(cluster.ResumeAgentRequest), cluster.ResumeAgentRequest(name="agents/nobody")),
    "Cluster/ForgetAgent": (on_agent_away, cluster.ForgetAgentRequest(name="agents/nobody")),
    "Cluster/ResizePool": (
        of(cluster.ResizePoolRequest(name="pools/default", slots=3)),
        cluster.ResizePoolRequest(name="pools/default", slots=-1),
    ),
    "Cluster/PausePool": (of(cluster.PausePoolRequest(name="pools/default")), cluster.PausePoolRequest(name="pools/x")),
    "Cluster/ResumePool": (
        of(cluster.ResumePoolRequest(name="pools/default")),
        cluster.ResumePoolRequest(name="pools/x"),
    ),
    "Cluster/PauseKind": (of(cluster.PauseKindRequest(name="kinds/Echo")), cluster.PauseKindRequest(name="kinds/X")),
    "Cluster/ResumeKind": (of(cluster.ResumeKindRequest(name="kinds/Echo")), cluster.ResumeKindRequest(name="kinds/X")),
    "Cluster/Reload": (reload, cluster.ReloadRequest(reason="x" * 501)),
    "Access/CreateToken": (create_token, access.CreateTokenRequest(subject="ada")),
    "Access/RevokeToken": (revoke_token, access.RevokeTokenRequest(name="tokens/999")),
}
"""What makes the request that works, and one that fails."""


def test_every_privileged_call_is_made_here() -> None:
    privileged = {
        f"{service}/{name}"
        for service, names in ROLES.items()
        for name, role in names.items()
        if role in (Role.OPERATOR, Role.ADMIN)
    }
    assert privileged == CALLS.keys() | READS


def method(server: Calling, name: str) -> Any:
    service, _, rpc = name.partition("/")
    return getattr(getattr(server, service.lower()), rpc)


@pytest.mark.parametrize("name", CALLS)
async def test_a_privileged_call_has_exactly_one_row_and_none_when_it_fails(server: Calling, name: str) -> None:
    prepare, failing = CALLS[name]
    request = await prepare(server)
    if has_a_reason := "reason" in request.DESCRIPTOR.fields_by_name:
        request.reason = "because of this"
    before = server.count("audit")
    await refused(method(server, name)(failing, timeout=DEADLINE))
    assert server.count("audit") == before
    await method(server, name)(request, timeout=DEADLINE)
    assert server.count("audit") == before + 1
    [entry, *_] = (await server.access.ListAudit(access.ListAuditRequest(), timeout=DEADLINE)).entries
    assert entry.method == f"windlass.v1.{name}"
    assert entry.resource
    assert entry.reason == ("because of this" if has_a_reason else "")


@pytest.mark.parametrize("name", CALLS)
async def test_a_privileged_call_that_was_not_allowed_has_no_row(server: Calling, name: str) -> None:
    request = await CALLS[name][0](server)
    before = server.count("audit")
    _, secret = await server.token(Role.SUBMITTER)
    async with server.holder(secret) as other:
        refusal = await refused(method(other, name)(request, timeout=DEADLINE))
    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
    assert server.count("audit") == before


async def test_what_was_done_already_is_not_written_down_again(server: Calling) -> None:
    token, _ = await server.token()
    request = access.RevokeTokenRequest(name=f"tokens/{token}")
    for _ in range(2):
        await server.access.RevokeToken(request, timeout=DEADLINE)
    assert server.count("audit") == 1
