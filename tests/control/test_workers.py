"""The Workers service, spoken to as an agent speaks: one stream, a hello, and what follows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from windlass.control.status import open_streams
from windlass.core.access import Role
from windlass.core.lifecycle import State
from windlass.host.agents import reconciling
from windlass.host.agents.remote_kinds import Elsewhere
from windlass.store.agents import AgentState
from windlass.store.facts import Asked
from windlass.store.port import Store
from windlass.store.postgres import open_store
from windlass.store.tokens import NewToken
from windlass_proto.v1 import access_pb2, agent_pb2, cluster_service_pb2, task_pb2, tasks_service_pb2, workers_pb2
from windlass_proto.v1.workers_service_pb2 import AgentMessage, KernelMessage
from windlass_proto.v1.workers_service_pb2_grpc import WorkersStub

from tests.control.calling import Calling, calling, new, refused, said_by
from tests.waiting import eventually

POOL = "agent:web-01"
SECOND = Duration(seconds=1)
TIMES: dict[str, Any] = {"lease": 2.0, "renew": 0.5}


@pytest.fixture
async def server(dsn: str, store: Store) -> AsyncIterator[Calling]:
    async with calling(dsn, store, **TIMES) as made:
        yield made


def hello(id_: str = "web-01", *, slots: int = 4, kinds: tuple[str, ...] = ("Echo",), **more: Any) -> workers_pb2.Hello:
    fields: dict[str, Any] = {
        "pools": [agent_pb2.AgentPool(pool=f"agent:{id_}", slots=slots)],
        "kinds": [workers_pb2.KindPolicy(kind=kind, pool="default", attempts=3, pause=SECOND) for kind in kinds],
        "process": workers_pb2.Process(machine="elsewhere", pid=7, pid_start=9),
        "host": agent_pb2.Host(hostname="web-01", cpus=8, agent_version="0.1.0"),
    }
    return workers_pb2.Hello(agent=id_, **(fields | more))


class Session:
    """One stream, as a fake agent: it says what it is told to, and keeps what it hears."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._numbers = iter(range(1, 10_000))
        self._beats = iter(range(1, 10_000))
        self._beating: asyncio.Task[None] | None = None
        self.heard: list[KernelMessage] = []

    async def say(self, **message: Any) -> None:
        await self._call.write(AgentMessage(**message))

    async def open(self, first: workers_pb2.Hello, credit: int = 4, *, beats: bool = True) -> workers_pb2.Welcome:
        await self.say(hello=first)
        welcome = (await self._next()).welcome
        if beats:
            self._beating = asyncio.create_task(self._beat_on())
        await self.takes(first.agent, credit)
        return welcome

    async def takes(self, id_: str, slots: int) -> None:
        pools = [agent_pb2.AgentPool(pool=f"agent:{id_}", slots=slots)]
        await self.say(credits=workers_pb2.Credits(pools=pools))

    async def _next(self) -> KernelMessage:
        message: Any = await self._call.read()
        assert message is not grpc.aio.EOF, "the stream has ended"
        self.heard.append(message)
        return self.heard[-1]

    async def hear(self, what: str) -> Any:
        """The next message of this sort; heartbeats go on meanwhile."""
        async with asyncio.timeout(8):
            while (message := await self._next()).WhichOneof("message") != what:
                pass
        return getattr(message, what)

    async def ask(self, **question: Any) -> workers_pb2.Answer:
        number = next(self._numbers)
        await self.say(ask=workers_pb2.Ask(id=number, **question))
        answer: workers_pb2.Answer = await self.hear("answer")
        assert answer.id == number
        return answer

    async def beat(self) -> workers_pb2.Beat:
        """A heartbeat, and its answer."""
        number = await self._beat()
        while True:
            beat: workers_pb2.Beat = await self.hear("beat")
            if beat.number >= number or not beat.is_alive:
                return beat

    async def _beat(self) -> int:
        number = next(self._beats)
        await self.say(heartbeat=workers_pb2.Heartbeat(number=number))
        return number

    async def _beat_on(self) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await asyncio.sleep(0.3)
                await self._beat()

    async def finish(self, task: str, attempt: int = 1, verdict: int = workers_pb2.End.VERDICT_SUCCESS) -> list[str]:
        end = workers_pb2.End(name=task, attempt=attempt, verdict=verdict, started=SECOND)  # type: ignore[arg-type]
        answer = await self.ask(ends=workers_pb2.Ends(ends=[end]))
        return [one.name for one in answer.ends.ends]

    async def ended(self) -> grpc.aio.AioRpcError:
        """What the kernel ended the stream with."""
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self._to_the_end()
        return raised.value

    async def _to_the_end(self) -> None:
        async with asyncio.timeout(10):
            while await self._call.read() is not grpc.aio.EOF:
                pass

    def cancel(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
        self._call.cancel()


async def token(server: Calling, subject: str = "web-01", role: Role = Role.AGENT, *pools: str) -> str:
    _, secret = await server.kernel.access.create(NewToken(b"", subject, role, 2, "tests", pools))
    return secret


@asynccontextmanager
async def session(server: Calling, secret: str | None = None) -> AsyncIterator[Session]:
    secret = secret or await token(server)
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = WorkersStub(channel).Session(metadata=(("authorization", f"Bearer {secret}"),))
        made = Session(call)
        yield made
        made.cancel()


async def refusal(server: Calling, first: workers_pb2.Hello, secret: str | None = None) -> Any:
    async with session(server, secret) as one:
        await one.say(hello=first)
        return said_by(await one.ended())


async def test_a_task_goes_to_the_agent_with_all_of_its_facts_and_its_end_comes_back(server: Calling):
    name = await server.enqueue("Echo", {"n": 1}, pool=POOL, priority=9, labels={"a": "b"}, title="A title")
    async with session(server) as agent:
        welcome = await agent.open(hello())
        assert (welcome.lease.ToSeconds(), welcome.renew.ToMilliseconds()) == (2, 500)
        sent = await agent.hear("assignment")
        assert (sent.name, sent.attempt, sent.kind, sent.pool) == (name, 1, "Echo", POOL)
        assert (sent.priority, dict(sent.labels), sent.title) == (9, {"a": "b"}, "A title")
        assert json.loads(sent.payload.data) == {"n": 1}
        assert sent.initiator
        words = workers_pb2.AttemptWords(name=name, attempt=1, started=SECOND, stage="at work")
        words.lines.add(sequence=sent.attempt << 40 | 1, age=SECOND, type="TYPE_STEP", text="a step")
        assert (await agent.ask(words=workers_pb2.Words(attempts=[words]))).words.names == [name]
        running = await server.get(name)
        assert (running.state, running.stage, running.node) == (task_pb2.Task.STATE_RUNNING, "at work", "agent web-01")
        assert (running.host.agent, running.host.cpus) == ("agents/web-01", 8)
        assert await agent.finish(name) == [name]
    assert (await server.get(name)).state == task_pb2.Task.STATE_COMPLETED


async def test_no_more_is_assigned_than_there_is_credit_and_slots_for(server: Calling):
    names = [await server.enqueue(pool=POOL) for _ in range(4)]
    async with session(server) as agent:
        await agent.open(hello(slots=3), credit=2)
        first = {(await agent.hear("assignment")).name for _ in range(2)}
        assert not await more(agent)
        await agent.takes("web-01", 100)
        third = (await agent.hear("assignment")).name
        assert not await more(agent), "the pool has three slots"
        await agent.finish(third)
        assert {*first, third, (await agent.hear("assignment")).name} == set(names)


async def more(agent: Session) -> bool:
    """Whether another assignment comes within two beats' time."""
    before = len(seen(agent))
    await agent.beat()
    await agent.beat()
    return len(seen(agent)) > before


def seen(agent: Session) -> list[str]:
    return [message.assignment.name for message in agent.heard if message.HasField("assignment")]


async def test_an_interrupt_reaches_the_agent(server: Calling):
    name = await server.enqueue(pool=POOL)
    async with session(server) as agent:
        await agent.open(hello())
        await agent.hear("assignment")
        await server.tasks.Interrupt(tasks_service_pb2.InterruptRequest(name=name, reason="enough"), timeout=10)
        cancel = await agent.hear("cancel")
        assert (cancel.name, cancel.reason) == (name, "enough")
        await agent.finish(name)
    assert (await server.get(name)).state == task_pb2.Task.STATE_CANCELED


async def test_a_heartbeat_keeps_the_lease_and_without_one_it_runs_out(server: Calling):
    store = server.kernel._store
    async with session(server) as agent:
        await agent.open(hello(), beats=False)
        [before] = await store.agents.agents()
        beat = await agent.beat()
        assert (beat.number, beat.is_alive, beat.is_drained) == (1, True, False)
        [after] = await store.agents.agents()
        assert after.expires_at > before.expires_at
        await eventually(lambda: lapsed(store))
        assert not (await agent.beat()).is_alive
        assert said_by(await agent.ended()).reason in ("EPOCH_OVER", "SESSION_OVER")


async def lapsed(store: Store) -> bool:
    return (await store.agents.agents())[0].state is AgentState.AWAY


async def test_a_session_that_broke_goes_on_and_what_did_not_arrive_is_sent_again(server: Calling):
    arrived, lost = await server.enqueue(pool=POOL), await server.enqueue(pool=POOL)
    secret = await token(server)
    async with session(server, secret) as agent:
        epoch = (await agent.open(hello(), credit=2)).epoch
        assert {(await agent.hear("assignment")).name for _ in range(2)} == {arrived, lost}
    async with session(server, secret) as again:
        assert (await again.open(hello(epoch=epoch, held=[arrived]), credit=2)).epoch == epoch
        assert (await again.hear("assignment")).name == lost
        assert not await more(again)
        assert await again.finish(arrived) == [arrived]
        assert await again.finish(arrived) == [], "an end counts once"


async def test_what_another_server_still_claims_for_a_session_that_has_moved_is_found(
    server: Calling, dsn: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconciling, "IDLE_SECONDS", 0.5)
    other_store = await open_store(dsn, connections=4)
    secret = await token(server)
    try:
        async with (
            calling(dsn, other_store, **TIMES) as other,
            session(server, secret) as old,
            session(other, secret) as moved,
        ):
            epoch = (await old.open(hello(), credit=2)).epoch
            await moved.open(hello(epoch=epoch), credit=0)
            # The first server does not know yet that nobody listens there: it claims, and the task is lost.
            name = await server.enqueue(pool=POOL)
            assert (await old.hear("assignment")).name == name
            await moved.takes("web-01", 2)
            assert (await moved.hear("assignment")).name == name
            assert await moved.finish(name) == [name]
    finally:
        await other_store.close()


async def test_a_second_process_is_refused_while_the_first_lives(server: Calling):
    secret = await token(server)
    async with session(server, secret) as agent:
        epoch = (await agent.open(hello())).epoch
        found = await refusal(server, hello(), secret)
        assert (found.code, found.reason) == (grpc.StatusCode.ALREADY_EXISTS, "AGENT_CONNECTED")
        assert found.facts["epoch"] == str(epoch)
        assert found.facts["machine"] == "elsewhere"
        assert "from 127.0.0.1:" in found.message or "from [::1]" in found.message
        async with session(server, secret) as heir:
            assert (await heir.open(hello(replaces=epoch))).epoch > epoch


async def test_an_epoch_that_is_over_is_not_gone_on_with(server: Calling):
    found = await refusal(server, hello(epoch=4711))
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EPOCH_OVER")


async def test_a_good_bye_ends_the_epoch_and_gives_back_what_is_left(server: Calling):
    name = await server.enqueue(pool=POOL)
    async with session(server) as agent:
        await agent.open(hello())
        await agent.hear("assignment")
        await agent.say(goodbye=workers_pb2.Goodbye())
        assert await agent._call.read() is grpc.aio.EOF
    task = await server.get(name)
    assert (task.state, task.retries) == (task_pb2.Task.STATE_PENDING, 0)
    [entry] = await server.kernel._store.agents.agents()
    assert entry.state is AgentState.AWAY


async def test_the_caller_must_be_the_agent_that_it_says_it_is(server: Calling):
    found = await refusal(server, hello("web-02"), await token(server))
    assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_THIS_AGENT")
    assert "--id web-01" in found.message
    found = await refusal(server, hello(), await token(server, "web-01", Role.ADMIN))
    assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW")
    builds = hello()
    builds.pools.add(pool="builds", slots=1)
    found = await refusal(server, builds, await token(server, "web-01", Role.AGENT, "feeds"))
    assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POOL_OUT_OF_SCOPE")


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda first: setattr(first, "agent", "Web 01"), "hello.agent"),
        (lambda first: first.ClearField("pools"), "hello.pools"),
        (lambda first: first.pools.add(pool="agent:web-02", slots=1), "hello.pools"),
        (lambda first: first.pools.add(pool="builds", slots=0), "hello.pools"),
        (lambda first: first.held.append("task 7"), "hello.held"),
        (lambda first: first.kinds.add(kind="", pool="default"), "hello.kinds"),
        (lambda first: first.host.labels.update({"a": "\0"}), "hello.host"),
    ],
    ids=["a bad id", "no pools", "another's pool", "no slots", "a bad task", "a bad kind", "a bad label"],
)
async def test_a_hello_that_does_not_fit_is_refused_by_its_field(
    server: Calling, spoil: Callable[[workers_pb2.Hello], Any], field: str
):
    first = hello()
    spoil(first)
    found = await refusal(server, first)
    assert (found.code, found.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_the_first_message_must_be_the_hello(server: Calling):
    async with session(server) as agent:
        await agent.say(heartbeat=workers_pb2.Heartbeat(number=1))
        assert said_by(await agent.ended()).field == "hello"


async def test_a_child_is_on_behalf_of_whoever_its_parent_is_whatever_the_agent_says(server: Calling):
    parent = await server.enqueue(pool=POOL, priority=7)
    async with session(server) as agent:
        await agent.open(hello())
        await agent.hear("assignment")
        asked = workers_pb2.Child(parent=parent, attempt=1, task=new("Echo", {"n": 2}), request_id=UUID)
        made = (await agent.ask(child=asked)).child.task
        assert (await agent.ask(child=asked)).child.task == made, "asked again it is the same child"
        child, of = await server.get(made), await server.get(parent)
        assert (child.parent, child.initiator, child.trigger, child.priority) == (parent, of.initiator, "parent", 7)
        word = workers_pb2.Child(parent=parent, attempt=1, task=new("Echo", trigger="feed_update"), request_id=THIRD)
        assert (await server.get((await agent.ask(child=word)).child.task)).trigger == "feed_update"
        late = workers_pb2.Child(parent=parent, attempt=2, task=new("Echo"), request_id=OTHER)
        assert (await agent.ask(child=late)).refusal.reason == "ATTEMPT_SUPERSEDED"
        unknown = workers_pb2.Child(parent=parent, attempt=1, task=new("Nothing"), request_id=OTHER)
        assert (await agent.ask(child=unknown)).refusal.field == "task.kind"


UUID, OTHER, THIRD = (f"6a2f3f4e-5d0b-4f0c-9a63-0f4bb7a3c1d{number}" for number in range(3))


async def test_lanes_and_documents_are_the_attempts_own(server: Calling):
    one, two = await server.enqueue(pool=POOL), await server.enqueue(pool=POOL)
    async with session(server) as agent:
        await agent.open(hello())
        await agent.hear("assignment")
        await agent.hear("assignment")
        visits = [workers_pb2.LaneVisit(lane="lanes/entities", name=name, attempt=1) for name in (one, two)]
        assert (await agent.ask(enter_lane=visits[0])).enter_lane.fence == 1
        waits = (await agent.ask(enter_lane=visits[1])).enter_lane
        assert (waits.fence, waits.position, waits.holder) == (0, 1, one)
        held = workers_pb2.LaneVisit(lane="lanes/entities", name=one, attempt=1, fence=1)
        assert (await agent.ask(check_lane=held)).check_lane.is_held
        await agent.ask(leave_lane=visits[0])
        called = (await agent.ask(called=workers_pb2.LaneVisits(visits=[visits[1]]))).called.visits
        assert [visit.name for visit in called] == [two]

        user = workers_pb2.DocumentUser(name=one, attempt=1, plugin="control")
        value = task_pb2.Payload(data=b'{"a": 1}')
        put = workers_pb2.PutDocument(user=user, document="state", value=value, put_id=UUID, keep=1)
        assert (await agent.ask(put_document=put)).put_document.version == 1
        assert (await agent.ask(put_document=put)).put_document.version == 1, "asked again it is the same put"
        place = workers_pb2.DocumentPlace(user=user, document="state")
        [found] = (await agent.ask(get_document=place)).get_document.documents
        assert (json.loads(found.value.data), found.by) == ({"a": 1}, f"task {one.removeprefix('tasks/')}")
        listed = workers_pb2.ListDocuments(user=user, limit=10)
        assert len((await agent.ask(list_documents=listed)).list_documents.documents) == 1
        gone = workers_pb2.DeleteDocument(user=user, document="state", expected=3)
        assert (await agent.ask(delete_document=gone)).refusal.reason == "DOCUMENT_CHANGED"
        nobodys = workers_pb2.DocumentUser(name="tasks/999", attempt=1, plugin="control")
        place = workers_pb2.DocumentPlace(user=nobodys, document="state")
        assert (await agent.ask(get_document=place)).refusal.reason == "ATTEMPT_SUPERSEDED"
        library = workers_pb2.DocumentUser(name=one, attempt=1, plugin="scripts")
        planted = workers_pb2.PutDocument(user=library, document="library/a", value=value, put_id=UUID, keep=1)
        assert (await agent.ask(put_document=planted)).refusal.reason == "NOT_THIS_PLUGIN"
        bad = workers_pb2.PutDocument(user=user, document="", value=value, put_id=UUID, keep=1)
        assert (await agent.ask(put_document=bad)).refusal.field == "document"


async def test_nodes_and_agents_share_a_pool_and_fill_no_more_than_its_slots(dsn: str, store: Store):
    async with calling(dsn, store, pools={"default": 4}, **TIMES) as server, session(server) as agent:
        first = hello(kinds=("Wait",))
        first.pools.add(pool="default", slots=4)
        await agent.open(first)
        await agent.say(credits=workers_pb2.Credits(pools=[agent_pb2.AgentPool(pool="default", slots=4)]))
        [node] = [one for one in server.kernel.node.dispatchers if one.pool == "default"]
        [held] = server.kernel.agents._open.values()
        # Even halves, before anybody wants anything.
        await eventually(lambda: (node.slots, held.shares["default"]) == (2, 2))
        for _ in range(8):
            await server.enqueue("Wait", pool="default")
        async with asyncio.timeout(10):
            while len(seen(agent)) < 2 or node.executing < 2:
                await agent.beat()
                assert len(seen(agent)) + node.executing <= 4
        assert not await more(agent)
        assert (len(seen(agent)), node.executing) == (2, 2)


async def test_a_kind_that_only_agents_have_is_taken_without_a_look_at_its_payload(server: Calling):
    found = await refused(server.tasks.Enqueue(asking("OnlyThere"), timeout=10))
    assert found.reason == "KIND_UNKNOWN"
    async with session(server) as agent:
        await agent.open(hello(kinds=("OnlyThere",)))
        kinds = server.kernel.node.remote_kinds.kinds
        await eventually(lambda: "OnlyThere" in kinds)
        name = await server.enqueue("OnlyThere", {"anything": [1, 2]}, pool=POOL)
        assert json.loads((await agent.hear("assignment")).payload.data) == {"anything": [1, 2]}
        await agent.finish(name)
    assert isinstance(kinds["OnlyThere"].handler, Elsewhere)


async def test_a_kind_that_only_agents_have_demands_the_role_that_they_say(server: Calling):
    first = hello(kinds=("OnlyThere",))
    first.kinds[0].role = access_pb2.ROLE_OPERATOR
    async with session(server) as agent:
        await agent.open(first, credit=0)
        await eventually(lambda: "OnlyThere" in server.kernel.node.remote_kinds.kinds)
        _, secret = await server.token(Role.SUBMITTER)
        async with server.holder(secret) as submitter:
            assert (await refused(submitter.tasks.Enqueue(asking("OnlyThere"), timeout=10))).reason == "ROLE_TOO_LOW"
        await server.enqueue("OnlyThere", pool=POOL)
    [(rpc, _)] = await server.audited()
    assert rpc == "Enqueue", "it is written down who asked for it"


def asking(kind: str) -> tasks_service_pb2.EnqueueRequest:
    return tasks_service_pb2.EnqueueRequest(task=new(kind, {}, pool=POOL))


async def test_work_for_an_agent_that_never_came_is_taken_and_for_an_impossible_name_refused(server: Calling):
    name = await server.enqueue(pool="agent:some-day")
    explained = await server.tasks.Explain(tasks_service_pb2.ExplainRequest(name=name), timeout=10)
    assert [gate.why for gate in explained.gates] == ["no agent some-day has ever connected"]
    found = await refused(server.enqueue(pool="agent:Some Day"))
    assert (found.code, found.field) == (grpc.StatusCode.INVALID_ARGUMENT, "task.pool")


async def test_an_agent_is_forgotten_once_it_is_away(server: Calling):
    forget = cluster_service_pb2.ForgetAgentRequest(name="agents/web-01", reason="scrapped")
    async with session(server) as agent:
        await agent.open(hello())
        found = await refused(server.cluster.ForgetAgent(forget, timeout=10))
        assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "AGENT_PRESENT")
    [known] = await server.kernel._store.agents.agents()
    await server.kernel._store.cluster.leave(known.epoch)
    gone = await server.cluster.ForgetAgent(forget, timeout=10)
    assert (gone.name, gone.state) == ("agents/web-01", agent_pb2.Agent.STATE_AWAY)
    assert not (await server.cluster.ListAgents(cluster_service_pb2.ListAgentsRequest(), timeout=10)).agents
    assert await server.audited() == [("ForgetAgent", "agents/web-01")]
    found = await refused(server.cluster.ForgetAgent(forget, timeout=10))
    assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")


async def test_agents_are_listed_shown_drained_and_resumed(server: Calling):
    async with session(server) as agent:
        await agent.open(hello())
        listed = (await server.cluster.ListAgents(cluster_service_pb2.ListAgentsRequest(), timeout=10)).agents
        assert [one.name for one in listed] == ["agents/web-01"]
        shown = await server.cluster.GetAgent(cluster_service_pb2.GetAgentRequest(name="agents/web-01"), timeout=10)
        assert (shown.state, shown.host.hostname) == (agent_pb2.Agent.STATE_LIVE, "web-01")
        asked = cluster_service_pb2.DrainAgentRequest(name="agents/web-01", reason="new disks")
        drained = await server.cluster.DrainAgent(asked, timeout=10)
        assert drained.state == agent_pb2.Agent.STATE_DRAINING
        assert (await agent.hear("beat")).is_drained
        # A claim that was on its way before may still hand it tasks.
        async with server.kernel.agents._assigning._moving:
            pass
        name = await server.enqueue(pool=POOL)
        assert not await more(agent)
        back = cluster_service_pb2.ResumeAgentRequest(name="agents/web-01")
        assert (await server.cluster.ResumeAgent(back, timeout=10)).state == agent_pb2.Agent.STATE_LIVE
        assert (await agent.hear("assignment")).name == name
        await agent.finish(name)
    assert await server.audited() == [("DrainAgent", "agents/web-01"), ("ResumeAgent", "agents/web-01")]
    missing = server.cluster.GetAgent(cluster_service_pb2.GetAgentRequest(name="agents/web-09"), timeout=10)
    found = await refused(missing)
    assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")


async def test_a_dropped_stream_frees_its_handler(server: Calling):
    before = open_streams["Session"]
    async with session(server) as agent:
        await agent.open(hello())
        assert open_streams["Session"] == before + 1
        assert len(server.kernel.agents) == 1
    await eventually(lambda: open_streams["Session"] == before)
    assert len(server.kernel.agents) == 0


async def test_an_agent_that_says_nothing_any_more_is_sent_away(server: Calling):
    async with session(server) as agent:
        await agent.open(hello(), beats=False)
        found = said_by(await agent.ended())
        assert found.reason == "SESSION_OVER"
        assert found.code is grpc.StatusCode.UNAVAILABLE


async def test_an_interrupt_through_another_server_reaches_the_agent_too(server: Calling, dsn: str):
    name = await server.enqueue(pool=POOL)
    other = await open_store(dsn, connections=2)
    try:
        async with session(server) as agent:
            await agent.open(hello())
            await agent.hear("assignment")
            task = int(name.removeprefix("tasks/"))
            assert (await other.queue.interrupt(Asked(task, "ada", "enough"))).state is State.CANCELLING
            assert (await agent.hear("cancel")).by == "ada"
    finally:
        await other.close()
