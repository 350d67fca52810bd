"""Kinds that demand more than a submitter: every way in asks for the role, and each task has its row in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Annotated, Any
from uuid import uuid4

import grpc
import msgspec
import pytest
import pytest_asyncio
from windlass import Context, Door, Handler, Operation, OperationCall, Outcome, Role, Settings, Success, hookimpl
from windlass.store.port import Store
from windlass_proto.v1 import access_service_pb2 as access
from windlass_proto.v1 import cluster_service_pb2 as cluster
from windlass_proto.v1 import operations_service_pb2 as operations
from windlass_proto.v1 import schedule_pb2
from windlass_proto.v1 import schedules_service_pb2 as schedules
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, Calling, bearer, calling, new, refused

NEEDS = "tasks of kind Restart need the role operator, and yours is submitter: ask an admin for a token with it"


class Which(msgspec.Struct, forbid_unknown_fields=True):
    unit: str = ""
    password: Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True})] = ""


class Restart(Handler[Which]):
    kind = "Restart"
    role = Role.OPERATOR

    async def run(self, ctx: Context, payload: Which) -> Outcome:
        return Success(payload.unit)


class Wipe(Restart):
    kind = "Wipe"
    role = Role.ADMIN


class Asks(Handler[Which]):
    """Anybody may enqueue it, and it is trusted."""

    kind = "Asks"

    async def run(self, ctx: Context, payload: Which) -> Outcome:
        return Success(await ctx.enqueue("Wipe", payload))


class Units:
    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Restart(), Wipe(), Asks()]

    @hookimpl
    def windlass_register_operations(self, settings: Settings) -> Iterable[Operation]:
        return [Operation("ask", "Ask", "Makes one.", self.ask, Which, int, role=Role.SUBMITTER)]

    async def ask(self, call: OperationCall, argument: Which) -> int:
        return await call.enqueue("Wipe", argument)

    @hookimpl
    async def windlass_startup(self, kernel: Door) -> None:
        await kernel.enqueue("Wipe", {"unit": "at the start"})


@pytest_asyncio.fixture
async def units(dsn: str, store: Store) -> AsyncIterator[Calling]:
    async with calling(dsn, store, plugins={"units": Units()}) as server:
        yield server


Call = Callable[[Calling, str, str], Awaitable[Any]]
"""Makes a task of a kind somehow; the last argument is the secret of whoever calls."""


def one(kind: str, **task: Any) -> tasks.EnqueueRequest:
    return tasks.EnqueueRequest(task=new(kind, {"unit": "nginx.service", "password": "hush"}, **task))


async def enqueue(server: Calling, kind: str, secret: str) -> None:
    await server.tasks.Enqueue(one(kind), timeout=DEADLINE)


async def enqueue_joining(server: Calling, kind: str, secret: str) -> None:
    await server.tasks.Enqueue(one(kind, coalesce_key="one"), timeout=DEADLINE)


async def enqueue_batch(server: Calling, kind: str, secret: str) -> None:
    await server.tasks.BatchEnqueue(tasks.BatchEnqueueRequest(requests=[one("Asks"), one(kind)]), timeout=DEADLINE)


async def enqueue_stream(server: Calling, kind: str, secret: str) -> None:
    message = tasks.EnqueueStreamRequest(requests=[one("Asks"), one(kind)])
    async for _ in server.tasks.EnqueueStream(iter([message]), metadata=bearer(secret), timeout=DEADLINE):
        pass


ENQUEUES = pytest.mark.parametrize("enqueues", [enqueue, enqueue_joining, enqueue_batch, enqueue_stream])


async def audit(server: Calling) -> list[Any]:
    """Newest first."""
    return list((await server.access.ListAudit(access.ListAuditRequest(), timeout=DEADLINE)).entries)


async def made(server: Calling, *, kind: str) -> int:
    """How many tasks of a kind there are."""
    found = server.kernel._store.library
    active = (await found.active(100, None)).items
    ended = (await found.cards(100, None)).items
    return len({one.id for one in (*active, *ended) if one.kind == kind})


@ENQUEUES
async def test_a_submitter_may_not_make_a_privileged_task_and_is_told_what_it_takes(
    units: Calling, enqueues: Call
) -> None:
    _, secret = await units.token(Role.SUBMITTER)
    async with units.holder(secret) as submitter:
        refusal = await refused(enqueues(submitter, "Restart", secret))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW")
        assert NEEDS in refusal.message
        assert {"needed": "operator", "role": "submitter", "kind": "Restart"}.items() <= refusal.facts.items()
        await enqueues(submitter, "Asks", secret)
    assert (await made(units, kind="Restart"), await audit(units)) == (0, [])


@ENQUEUES
async def test_each_privileged_task_has_one_row_that_keeps_no_secret(units: Calling, enqueues: Call) -> None:
    _, secret = await units.token(Role.OPERATOR)
    async with units.holder(secret) as operator:
        await enqueues(operator, "Restart", secret)
        [row] = await audit(units)
        assert (row.subject, row.resource) == ("a operator", "kinds/Restart")
        assert row.method.startswith("windlass.v1.Tasks/")
        said = msgspec.json.decode(row.request.data)["task"]
        assert said["payload"]["data"] == {"unit": "nginx.service", "password": "(left out)"}
        refusal = await refused(enqueues(operator, "Wipe", secret))
    assert refusal.facts["needed"] == "admin"
    assert len(await audit(units)) == 1


async def test_what_is_only_checked_or_made_before_has_no_row(units: Calling) -> None:
    checked = one("Restart")
    checked.validate_only = True
    await units.tasks.Enqueue(checked, timeout=DEADLINE)
    assert await audit(units) == []
    twice = one("Restart")
    twice.request_id = str(uuid4())
    for _ in range(2):
        await units.tasks.Enqueue(twice, timeout=DEADLINE)
    assert len(await audit(units)) == 1


async def test_a_retry_asks_for_the_role_and_has_one_row(units: Calling) -> None:
    name = await units.enqueue("Wipe")
    await units.ended(name)
    before = len(await audit(units))
    _, secret = await units.token(Role.OPERATOR)
    async with units.holder(secret) as operator:
        refusal = await refused(operator.tasks.Retry(tasks.RetryTaskRequest(name=name), timeout=DEADLINE))
    assert (refusal.reason, refusal.facts["needed"]) == ("ROLE_TOO_LOW", "admin")
    assert len(await audit(units)) == before
    await units.tasks.Retry(tasks.RetryTaskRequest(name=name), timeout=DEADLINE)
    assert [row.method for row in (await audit(units))[: -before or None]] == ["windlass.v1.Tasks/Retry"]


async def test_a_bulk_retry_skips_what_its_caller_may_not_make_and_writes_the_rest_down(units: Calling) -> None:
    names = [await units.enqueue(kind, {"unit": "a"}) for kind in ("Wipe", "Restart", "Asks")]
    for name in names:
        await units.ended(name)
    before = len(await audit(units))
    request = tasks.BulkRetryRequest(filter="id > 0 AND trigger = api", reason="once more", rate=100)
    _, secret = await units.token(Role.OPERATOR)
    async with units.holder(secret) as operator:
        bulk = (await operator.tasks.BulkRetry(request, timeout=DEADLINE)).task
    result = (await units.ended(bulk)).result.data
    assert msgspec.json.decode(result) == {"matched": 3, "done": 2, "skipped": {"ROLE_TOO_LOW": 1}}
    rows = (await audit(units))[:-before]
    assert sorted((row.resource, row.subject, row.reason) for row in rows) == sorted(
        (resource, "a operator", "once more") for resource in ("tasks", names[1])
    )


async def test_whoever_makes_changes_or_runs_a_schedule_needs_the_role_and_its_ticks_do_not(units: Calling) -> None:
    def nightly(kind: str) -> schedule_pb2.Schedule:
        return schedule_pb2.Schedule(name="schedules/nightly", kind=kind, cron="30 4 * * *")

    _, secret = await units.token(Role.OPERATOR)
    async with units.holder(secret) as operator:
        for only in (True, False):
            request = schedules.CreateScheduleRequest(schedule=nightly("Wipe"), validate_only=only)
            assert "Wipe need the role admin" in (await refused(operator.schedules.Create(request))).message
        unknown = schedules.CreateScheduleRequest(schedule=nightly("Wpie"))
        assert (await refused(operator.schedules.Create(unknown))).reason == "KIND_UNKNOWN"
        await operator.schedules.Create(schedules.CreateScheduleRequest(schedule=nightly("Restart")))
        for only in (True, False):
            change = schedules.UpdateScheduleRequest(schedule=nightly("Wipe"), validate_only=only)
            assert (await refused(operator.schedules.Update(change))).reason == "ROLE_TOO_LOW"
        await units.schedules.Update(schedules.UpdateScheduleRequest(schedule=nightly("Wipe")))
        run = schedules.RunScheduleRequest(name="schedules/nightly")
        assert (await refused(operator.schedules.Run(run))).reason == "ROLE_TOO_LOW"
    assert await made(units, kind="Wipe") == 1, "the one of the start"
    await units.schedules.Run(run)
    assert await made(units, kind="Wipe") == 2
    assert [row.method.rpartition("/")[2] for row in await audit(units)] == ["Run", "Update", "Create"]


async def test_what_tasks_operations_and_hooks_make_is_trusted_and_has_no_row(units: Calling) -> None:
    _, secret = await units.token(Role.SUBMITTER)
    async with units.holder(secret) as submitter:
        await units.ended(await submitter.enqueue("Asks"))
        await submitter.operations.Call(operations.CallOperationRequest(name="operations/units.ask"), timeout=DEADLINE)
    assert await made(units, kind="Wipe") == 3
    assert [row.method for row in await audit(units)] == ["windlass.v1.Operations/Call"]


async def test_people_see_which_role_a_kind_demands(units: Calling) -> None:
    listed = (await units.cluster.ListKinds(cluster.ListKindsRequest(), timeout=DEADLINE)).kinds
    roles = {kind.name.removeprefix("kinds/"): kind.role for kind in listed}
    assert {"Restart": "operator", "Wipe": "admin", "Asks": "submitter", "Echo": "submitter"}.items() <= roles.items()
    shown = await units.cluster.GetKind(cluster.GetKindRequest(name="kinds/Wipe"), timeout=DEADLINE)
    assert shown.role == "admin"


async def test_a_kind_that_nobody_here_handles_is_retried_by_admins_only(units: Calling) -> None:
    name = await units.enqueue("Asks")
    await units.ended(name)
    kinds = dict(units.kernel._plugins.kinds)
    del units.kernel._plugins.kinds["Asks"]  # type: ignore[attr-defined]
    try:
        _, secret = await units.token(Role.OPERATOR)
        async with units.holder(secret) as operator:
            refusal = await refused(operator.tasks.Retry(tasks.RetryTaskRequest(name=name), timeout=DEADLINE))
        assert "no plugin of this server handles it" in refusal.message
        await units.tasks.Retry(tasks.RetryTaskRequest(name=name), timeout=DEADLINE)
    finally:
        units.kernel._plugins.kinds.update(kinds)  # type: ignore[attr-defined]
