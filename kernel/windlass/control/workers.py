"""The Workers service: the sessions of agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import structlog
from windlass_proto.v1 import workers_pb2, workers_service_pb2, workers_service_pb2_grpc

from windlass.control import convert
from windlass.control import convert_workers as words
from windlass.control.guard import caller
from windlass.control.status import streams
from windlass.core.access import reaches
from windlass.core.agents import pool_of
from windlass.errors import InvalidArgument, NotThisAgent, PoolOutOfScope, TooManyCalls, WindlassError
from windlass.host.agents.session import Answered, Session
from windlass.host.agents.sessions import Sessions
from windlass.host.kernel import Kernel
from windlass.host.process import this_process
from windlass.store.agents import AgentFacts

log = structlog.get_logger()

DOCUMENTS = ("get_document", "put_document", "list_documents", "delete_document")
HELLO_SECONDS = 10.0
MOST_ASKED = 1_000
"""Questions of one agent that are on their way at once."""


class WorkersServicer(workers_service_pb2_grpc.WorkersServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._agents = kernel.agents

    @streams
    async def Session(
        self, request_iterator: AsyncIterator[workers_service_pb2.AgentMessage], context: Any
    ) -> AsyncIterator[workers_service_pb2.KernelMessage]:
        hello = await _first(request_iterator)
        facts = words.read_hello(hello, _place(context.peer()), this_process(()).name)
        _check_caller(facts)
        held = words.read_tasks(list(hello.held))
        session = await self._agents.open(facts, hello.epoch, hello.replaces, held)
        listening = asyncio.create_task(_Listener(self._agents, session).listen(request_iterator))
        try:
            async with aclosing(session.messages()) as messages:
                async for message in messages:
                    yield words.message(message)
        finally:
            listening.cancel()
            self._agents.gone(session)
            await asyncio.gather(listening, return_exceptions=True)


async def _first(messages: AsyncIterator[workers_service_pb2.AgentMessage]) -> workers_pb2.Hello:
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            first = await anext(aiter(messages), None)
    except TimeoutError:
        first = None
    if first is None or not first.HasField("hello"):
        raise InvalidArgument("the first message of a session must be its hello", field="hello")
    return first.hello


def _place(peer: str) -> str:
    """`ipv4:10.0.0.7:51324` without what gRPC writes before it."""
    return peer.partition(":")[2] if peer.startswith(("ipv4:", "ipv6:")) else peer


def _check_caller(agent: AgentFacts) -> None:
    who = caller.get()
    if who.name != agent.id:
        raise NotThisAgent(
            f"your token, or certificate, is that of agent {who.name!r}: start the agent with --id {who.name}, or ask"
            f" an admin for one for {agent.id!r}",
            agent=agent.id,
            yours=who.name,
        )
    for pool in agent.pools:
        if pool != pool_of(agent.id) and not reaches(who.pools, pool):
            raise PoolOutOfScope.of(pool, who.pools)


class _Listener:
    """Reads what an agent says.  Each question is answered when it can be: none waits for another."""

    def __init__(self, agents: Sessions, session: Session) -> None:
        self._agents = agents
        self._session = session
        self._asked: set[asyncio.Task[None]] = set()

    async def listen(self, messages: AsyncIterator[workers_service_pb2.AgentMessage]) -> None:
        try:
            async for message in messages:
                await self._hear(message)
            self._session.end()
        except WindlassError as error:
            self._session.end(error)
        except Exception:
            # What gRPC raises when the stream breaks; its writer ends with it.
            self._session.end()
            raise
        finally:
            # What is asked already is done to its end: the agent asks again, and finds it done.
            await asyncio.gather(*self._asked, return_exceptions=True)

    async def _hear(self, message: workers_service_pb2.AgentMessage) -> None:
        match message.WhichOneof("message"):
            case "heartbeat":
                self._agents.heartbeat(self._session, message.heartbeat.number)
            case "credits":
                self._agents.credits(self._session, words.read_credits(message.credits))
            case "ask":
                asking = asyncio.create_task(self._answer(message.ask))
                self._asked.add(asking)
                asking.add_done_callback(self._asked.discard)
            case "goodbye":
                await asyncio.gather(*self._asked, return_exceptions=True)
                await self._agents.goodbye(self._session)
            case other:
                raise InvalidArgument(f"{other or 'an empty message'} is nothing that an agent says here")

    async def _answer(self, ask: workers_pb2.Ask) -> None:
        try:
            if len(self._asked) > MOST_ASKED:
                raise TooManyCalls(f"at most {MOST_ASKED} questions of an agent are answered at once")
            answer = await self._answered(ask)
        except WindlassError as error:
            answer = workers_pb2.Answer(refusal=words.refusal(error))
        except Exception:
            log.exception("unforeseen error", agent=self._session.agent.id, asked=ask.WhichOneof("question"))
            told = WindlassError("internal error: the server's log has the details")
            answer = workers_pb2.Answer(refusal=words.refusal(told))
        answer.id = ask.id
        self._session.send(Answered(answer))

    async def _answered(self, ask: workers_pb2.Ask) -> workers_pb2.Answer:
        agents, session = self._agents, self._session
        match ask.WhichOneof("question"):
            case "words":
                said = [words.read_words(one) for one in ask.words.attempts]
                accepted = [f"tasks/{task}" for task in await agents.say(session, said)]
                return workers_pb2.Answer(words=workers_pb2.AcceptedWords(names=accepted))
            case "ends":
                ended = [words.read_end(one) for one in ask.ends.ends]
                return workers_pb2.Answer(ends=words.settled(await agents.finish(session, ended)))
            case "child":
                parent, attempt, request = words.read_child(ask.child)
                receipt = await agents.make_child(session, parent, attempt, request)
                return workers_pb2.Answer(child=convert.receipt(receipt))
        return await self._at_a_lane(ask)

    async def _at_a_lane(self, ask: workers_pb2.Ask) -> workers_pb2.Answer:
        agents, session = self._agents, self._session
        match ask.WhichOneof("question"):
            case "enter_lane":
                entrant = words.read_visit(ask.enter_lane, session.epoch)
                return workers_pb2.Answer(enter_lane=words.turn(await agents.enter_lane(session, entrant)))
            case "leave_lane":
                await agents.leave_lane(words.read_visit(ask.leave_lane, session.epoch))
                return workers_pb2.Answer(leave_lane=workers_pb2.LaneLeft())
            case "check_lane":
                entrant = words.read_visit(ask.check_lane, session.epoch)
                held = await agents.check_lane(entrant, ask.check_lane.fence)
                return workers_pb2.Answer(check_lane=workers_pb2.LaneHeld(is_held=held))
            case "called":
                waiting = [words.read_visit(one, session.epoch) for one in ask.called.visits]
                called = await agents.called(session, waiting)
                return workers_pb2.Answer(called=workers_pb2.LaneVisits(visits=map(words.visit, called)))
        return await self._of_documents(ask)

    async def _of_documents(self, ask: workers_pb2.Ask) -> workers_pb2.Answer:
        question = ask.WhichOneof("question")
        if question not in DOCUMENTS:
            raise InvalidArgument("the question is none that this server knows", field="ask")
        asked = getattr(ask, question)
        user, name = asked.user, words.read_document(asked) if question != "list_documents" else ""
        task = convert.read_id(user.name, "tasks")
        documents, attempt = self._agents.documents(self._session, user.plugin, task, user.attempt)
        match question:
            case "get_document":
                version = asked.version if asked.HasField("version") else None
                found = await documents.get(user.plugin, name, version)
                return workers_pb2.Answer(get_document=words.documents([] if found is None else [found]))
            case "put_document":
                stored = await documents.put(words.read_put(asked, f"task {attempt.task}"), attempt)
                return workers_pb2.Answer(put_document=workers_pb2.DocumentStored(version=stored))
            case "delete_document":
                expected = asked.expected if asked.HasField("expected") else None
                was_there = await documents.delete(user.plugin, name, expected, attempt)
                return workers_pb2.Answer(delete_document=workers_pb2.DocumentDeleted(was_there=was_there))
        words.check_list(asked)
        listed = await documents.list(user.plugin, asked.prefix, asked.after, asked.limit)
        return workers_pb2.Answer(list_documents=words.documents(listed))
