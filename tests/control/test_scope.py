"""A token for some pools: for its holder the work of other pools does not exist."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import grpc
import pytest
import pytest_asyncio
from windlass.core.access import Role
from windlass_proto.v1 import cluster_service_pb2 as cluster
from windlass_proto.v1 import history_service_pb2 as history
from windlass_proto.v1 import overview_service_pb2 as overview
from windlass_proto.v1 import overview_service_pb2_grpc
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, TOKEN, Calling, State, bearer, calling, new, refused

MINE, OTHERS = "default", "mail"


class Halves(NamedTuple):
    """The server for all, and for one who may see the pool `default` only; a task in each pool, of each sort."""

    server: Calling
    holder: Calling
    mine: str
    theirs: str
    my_end: str
    their_end: str


@pytest_asyncio.fixture
async def halves(dsn: str, store: Any) -> AsyncIterator[Halves]:
    async with calling(dsn, store, pools={MINE: 40, OTHERS: 40}) as server:
        _, secret = await server.token(Role.OPERATOR, MINE)
        names = [await server.enqueue("Wait", pool=pool) for pool in (MINE, OTHERS)]
        ended = [await server.enqueue("Echo", {"a": 1}, pool=pool) for pool in (MINE, OTHERS)]
        for name in ended:
            await server.ended(name)
        for name in names:
            await server.at(name, State.STATE_RUNNING)
        async with server.holder(secret) as holder:
            yield Halves(server, holder, *names, *ended)


def card(name: str) -> str:
    return name.replace("tasks/", "cards/")


def attempts(half: Calling, running: str, ended: str) -> dict[str, Any]:
    """Everything that can be asked of one task."""
    shown = history.GetCardRequest(name=card(ended))
    steps = history.ListStepsRequest(parent=card(ended))
    output = history.ReadOutputRequest(parent=card(ended))
    return {
        "Get": lambda: half.tasks.Get(tasks.GetTaskRequest(name=running), timeout=DEADLINE),
        "Watch": lambda: half.tasks.Watch(tasks.WatchRequest(name=running), timeout=DEADLINE).read(),
        "Explain": lambda: half.tasks.Explain(tasks.ExplainRequest(name=running), timeout=DEADLINE),
        "Retry": lambda: half.tasks.Retry(tasks.RetryTaskRequest(name=ended), timeout=DEADLINE),
        "Card": lambda: half.history.Get(shown, timeout=DEADLINE),
        "Steps": lambda: half.history.ListSteps(steps, timeout=DEADLINE),
        "Output": lambda: half.history.ReadOutput(output, timeout=DEADLINE),
        "Reprioritize": lambda: half.tasks.Reprioritize(
            tasks.ReprioritizeRequest(name=running, priority=7), timeout=DEADLINE
        ),
        "Interrupt": lambda: half.tasks.Interrupt(tasks.InterruptRequest(name=running), timeout=DEADLINE),
    }


EVERY_ASK = ["Get", "Watch", "Explain", "Retry", "Card", "Steps", "Output", "Reprioritize", "Interrupt"]


async def test_what_is_asked_of_a_task_of_another_pool_is_answered_as_if_it_never_was(halves: Halves) -> None:
    before = halves.server.count("task"), halves.server.count("audit")
    asked = attempts(halves.holder, halves.theirs, halves.their_end)
    never = attempts(halves.holder, "tasks/900", "tasks/900")
    assert list(asked) == EVERY_ASK
    for what, call in asked.items():
        refusal, unknown = await refused(call()), await refused(never[what]())
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"), what
        assert (refusal.code, refusal.reason) == (unknown.code, unknown.reason), what
        number = refusal.facts["task"]
        assert refusal.message.replace(number, "900") == unknown.message, what
    theirs = await halves.server.get(halves.theirs)
    assert (theirs.state, theirs.priority) == (State.STATE_RUNNING, 5)
    assert (halves.server.count("task"), halves.server.count("audit")) == before


async def test_what_is_asked_of_a_task_of_the_scope_is_answered(halves: Halves) -> None:
    for what, call in attempts(halves.holder, halves.mine, halves.my_end).items():
        assert await call() is not None, what


async def test_lists_leave_the_others_out(halves: Halves) -> None:
    active = await halves.holder.tasks.List(tasks.ListTasksRequest(), timeout=DEADLINE)
    assert [task.name for task in active.tasks] == [halves.mine]
    cards = await halves.holder.history.List(history.ListCardsRequest(), timeout=DEADLINE)
    assert {one.name for one in cards.cards} == {card(halves.mine), card(halves.my_end)}
    everything = await halves.server.tasks.List(tasks.ListTasksRequest(), timeout=DEADLINE)
    assert {task.name for task in everything.tasks} == {halves.mine, halves.theirs}


async def test_a_filter_finds_nothing_of_others(halves: Halves) -> None:
    for ask in (f"pool = {OTHERS}", f"id = {halves.theirs.removeprefix('tasks/')}", "NOT pool = nowhere"):
        active = await halves.holder.tasks.List(tasks.ListTasksRequest(filter=ask), timeout=DEADLINE)
        assert halves.theirs not in {task.name for task in active.tasks}, ask
        cards = await halves.holder.history.List(history.ListCardsRequest(filter=ask), timeout=DEADLINE)
        assert not {card(halves.theirs), card(halves.their_end)} & {one.name for one in cards.cards}, ask


async def test_a_watched_queue_says_nothing_of_others(halves: Halves) -> None:
    stream = halves.holder.tasks.WatchQueue(tasks.WatchQueueRequest(), timeout=DEADLINE)
    more = await halves.server.enqueue("Wait", pool=OTHERS)
    last = await halves.server.enqueue("Wait", pool=MINE)
    said = ""
    async for change in stream:
        said += str(change)
        if f'"{last}"' in said:
            break
    stream.cancel()
    assert f'"{halves.mine}"' in said
    assert f'"{halves.theirs}"' not in said
    assert f'"{more}"' not in said


async def test_pages_hold_as_many_as_they_should_although_others_stand_between(halves: Halves) -> None:
    for n in range(6):
        await halves.server.enqueue("Wait", pool=(MINE, OTHERS)[n % 2])
    seen: list[str] = []
    token = ""
    while True:
        request = tasks.ListTasksRequest(page_size=2, page_token=token)
        page = await halves.holder.tasks.List(request, timeout=DEADLINE)
        seen += [task.name for task in page.tasks]
        token = page.next_page_token
        if not token:
            break
        assert len(page.tasks) == 2
    assert len(seen) == len(set(seen)) == 4


@pytest.mark.parametrize("validate_only", [True, False])
async def test_work_for_another_pool_is_refused(halves: Halves, validate_only: bool) -> None:
    before = halves.server.count("task")
    request = tasks.EnqueueRequest(task=new(pool=OTHERS), validate_only=validate_only)
    refusal = await refused(halves.holder.tasks.Enqueue(request, timeout=DEADLINE))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POOL_OUT_OF_SCOPE")
    assert refusal.facts == {"pool": OTHERS, "pools": MINE}
    assert halves.server.count("task") == before


async def test_a_batch_with_one_task_for_another_pool_stores_nothing(halves: Halves) -> None:
    before = halves.server.count("task")
    requests = [tasks.EnqueueRequest(task=new(pool=pool)) for pool in (MINE, OTHERS)]
    refusal = await refused(halves.holder.tasks.BatchEnqueue(tasks.BatchEnqueueRequest(requests=requests)))
    assert refusal.reason == "POOL_OUT_OF_SCOPE"
    assert halves.server.count("task") == before


async def test_a_kind_whose_own_pool_is_another_is_refused_unless_it_goes_to_one_of_mine(halves: Halves) -> None:
    _, secret = await halves.server.token(Role.SUBMITTER, OTHERS)
    async with halves.server.holder(secret) as other:
        assert (await refused(other.enqueue("Echo"))).reason == "POOL_OUT_OF_SCOPE"
        assert await other.enqueue("Echo", pool=OTHERS)


async def test_which_kinds_there_are_everybody_reads_and_who_has_some_pools_pauses_none(halves: Halves) -> None:
    listed = await halves.holder.cluster.ListKinds(cluster.ListKindsRequest(), timeout=DEADLINE)
    assert "kinds/Echo" in {kind.name for kind in listed.kinds}
    found = await halves.holder.cluster.GetKind(cluster.GetKindRequest(name="kinds/Echo"), timeout=DEADLINE)
    assert found.name == "kinds/Echo"
    pausing = cluster.PauseKindRequest(name="kinds/Echo", reason="mine")
    assert (await refused(halves.holder.cluster.PauseKind(pausing, timeout=DEADLINE))).reason == "SCOPE_TOO_NARROW"


async def test_a_stream_takes_nothing_for_another_pool(halves: Halves) -> None:
    before = halves.server.count("task")
    requests = [tasks.EnqueueRequest(task=new(pool=OTHERS))]
    _, secret = await halves.server.token(Role.SUBMITTER, MINE)
    stub: Any = halves.server.tasks
    async with grpc.aio.insecure_channel(halves.server.address) as channel:
        stream = type(stub)(channel).EnqueueStream(
            iter([tasks.EnqueueStreamRequest(requests=requests)]),
            metadata=(("authorization", f"Bearer {secret}"),),
            timeout=DEADLINE,
        )
        assert (await refused(stream.read())).reason == "POOL_OUT_OF_SCOPE"
    assert halves.server.count("task") == before


async def test_a_task_can_not_wait_for_one_of_another_pool(halves: Halves) -> None:
    refusal = await refused(halves.holder.enqueue(after=[halves.theirs]))
    unknown = await refused(halves.holder.enqueue(after=["tasks/900"]))
    assert (refusal.code, refusal.reason) == (unknown.code, unknown.reason)
    assert refusal.reason == "TASK_NOT_FOUND"
    assert await halves.holder.enqueue(after=[halves.mine])


async def test_what_holds_a_task_back_is_not_named_when_it_is_of_another_pool(halves: Halves) -> None:
    waiting = await halves.server.enqueue(pool=MINE, after=[halves.theirs, halves.mine])
    request = tasks.ExplainRequest(name=waiting)
    [gate] = (await halves.holder.tasks.Explain(request, timeout=DEADLINE)).gates
    assert list(gate.tasks) == [halves.mine]
    number = halves.theirs.removeprefix("tasks/")
    assert number not in gate.why.split()
    assert f"({number}" not in gate.why
    assert gate.why == "waits for other tasks"
    [full] = (await halves.server.tasks.Explain(request, timeout=DEADLINE)).gates
    assert set(full.tasks) == {halves.mine, halves.theirs}


@pytest.mark.parametrize("there", [True, False])
async def test_another_pool_can_not_be_looked_at_nor_changed_nor_found_out(halves: Halves, there: bool) -> None:
    name = f"pools/{OTHERS}" if there else "pools/nowhere"
    half = halves.holder.cluster
    before = halves.server.count("audit")
    for call in (
        half.GetPool(cluster.GetPoolRequest(name=name), timeout=DEADLINE),
        half.ResizePool(cluster.ResizePoolRequest(name=name, slots=1), timeout=DEADLINE),
        half.PausePool(cluster.PausePoolRequest(name=name), timeout=DEADLINE),
        half.ResumePool(cluster.ResumePoolRequest(name=name), timeout=DEADLINE),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POOL_OUT_OF_SCOPE")
    assert halves.server.count("audit") == before


async def test_a_pool_of_the_scope_can_be_seen_and_changed(halves: Halves) -> None:
    half, name = halves.holder.cluster, f"pools/{MINE}"
    listed = await half.ListPools(cluster.ListPoolsRequest(), timeout=DEADLINE)
    assert [pool.name for pool in listed.pools] == [name]
    await half.ResizePool(cluster.ResizePoolRequest(name=name, slots=7), timeout=DEADLINE)
    paused = await half.PausePool(cluster.PausePoolRequest(name=name, reason="night"), timeout=DEADLINE)
    assert paused.name == name
    await half.ResumePool(cluster.ResumePoolRequest(name=name), timeout=DEADLINE)
    assert (await half.GetPool(cluster.GetPoolRequest(name=name), timeout=DEADLINE)).slots == 7
    both = await halves.server.cluster.ListPools(cluster.ListPoolsRequest(), timeout=DEADLINE)
    assert len(both.pools) > 1


async def test_the_picture_shows_nothing_of_others(halves: Halves) -> None:
    async with grpc.aio.insecure_channel(halves.server.address) as channel:
        _, secret = await halves.server.token(Role.VIEWER, MINE)
        stub = overview_service_pb2_grpc.OverviewStub(channel)
        for metadata, expected in ((bearer(secret), {halves.mine}), (bearer(TOKEN), {halves.mine, halves.theirs})):
            request = overview.GetOverviewRequest()
            picture = await stub.GetOverview(request, metadata=metadata, timeout=DEADLINE)
            assert {task.name for task in picture.active} == expected
            assert (OTHERS in str(picture)) == (len(expected) == 2)
