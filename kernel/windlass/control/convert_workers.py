"""What agents and the kernel say to each other: protobuf on one side, the kernel's records on the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any

import msgspec
from windlass_proto.v1 import agent_pb2, task_pb2, tasks_service_pb2, workers_pb2, workers_service_pb2

from windlass.control.convert import LARGEST_ID, read_id, read_request
from windlass.control.values import payload, read_name, read_seconds, span, timestamp
from windlass.core.access import Role
from windlass.core.agents import WHAT_FITS, is_agent_id, pool_of
from windlass.core.lifecycle import Verdict
from windlass.errors import InvalidArgument, WindlassError
from windlass.host import documents as live
from windlass.host.admission import LONGEST_WORD, Request, read_request_id
from windlass.host.agents.session import Answered, Assignment, Beat, LaneNews, Welcome
from windlass.store.agents import AgentEntry, AgentFacts, HostFacts
from windlass.store.documents import DocumentFacts, NewDocument
from windlass.store.facts import Asked, Chunk, Ended, Line, Progress, Said, Settled
from windlass.store.lanes import Entrant, Turn
from windlass.store.pools import KindFacts
from windlass.telemetry.traceparent import carrier

Kernel = workers_service_pb2.KernelMessage
ROLES = (Role.VIEWER, Role.SUBMITTER, Role.OPERATOR, Role.ADMIN)
MOST_SLOTS = 1_000
MOST_POOLS = 100
MOST_KINDS = 1_000
MOST_LABELS = 64
VERDICTS = (Verdict.SUCCESS, Verdict.FAILED, Verdict.RETRY, Verdict.CANCELED, Verdict.RETURNED)


def read_hello(hello: workers_pb2.Hello, peer: str, server: str) -> AgentFacts:
    """Raises `InvalidArgument`."""
    if not is_agent_id(hello.agent):
        raise InvalidArgument(f"agent must be an id of {WHAT_FITS}, not {hello.agent[:60]!r}", field="hello.agent")
    pools = _read_pools(hello.pools, "hello.pools")
    if pool_of(hello.agent) not in pools:
        raise InvalidArgument(f"an agent serves its own pool, {pool_of(hello.agent)}", field="hello.pools")
    foreign = [name for name in pools if name.startswith("agent:") and name != pool_of(hello.agent)]
    if foreign:
        raise InvalidArgument(f"pool {foreign[0]} is another agent's own", field="hello.pools")
    if len(hello.kinds) > MOST_KINDS:
        raise InvalidArgument(f"{len(hello.kinds)} kinds; at most {MOST_KINDS} are taken", field="hello.kinds")
    return AgentFacts(
        id=hello.agent,
        machine=hello.process.machine[:200],
        pid=hello.process.pid,
        pid_started=hello.process.pid_start,
        host=_read_host(hello),
        pools=pools,
        kinds=tuple(_read_kind(kind) for kind in hello.kinds),
        peer=peer,
        server=server,
        roles={kind.kind: _read_role(kind) for kind in hello.kinds},
    )


def read_credits(credits: workers_pb2.Credits) -> dict[str, int]:
    """Raises `InvalidArgument`."""
    return _read_pools(credits.pools, "credits.pools", least=0)


def read_tasks(names: list[str]) -> list[int]:
    """Raises `InvalidArgument`."""
    return [read_id(name, "tasks", "hello.held") for name in names]


def _read_pools(pools: object, field: str, least: int = 1) -> dict[str, int]:
    named: list[agent_pb2.AgentPool] = list(pools)  # type: ignore[call-overload]
    if len(named) > MOST_POOLS:
        raise InvalidArgument(f"{len(named)} pools; at most {MOST_POOLS} are taken", field=field)
    for one in named:
        if not (0 < len(one.pool) <= LONGEST_WORD and one.pool.isprintable()):
            raise InvalidArgument(f"a pool's name has 1 to {LONGEST_WORD} printable characters", field=field)
        if not least <= one.slots <= MOST_SLOTS:
            raise InvalidArgument(
                f"slots of pool {one.pool} must be from {least} to {MOST_SLOTS}, not {one.slots}", field=field
            )
    return {one.pool: one.slots for one in named}


def _read_host(hello: workers_pb2.Hello) -> HostFacts:
    host = hello.host
    if len(host.labels) > MOST_LABELS:
        raise InvalidArgument(f"{len(host.labels)} labels; at most {MOST_LABELS} are taken", field="hello.host.labels")
    facts = HostFacts(
        agent=hello.agent,
        hostname=host.hostname,
        addresses=tuple(host.addresses[:20]),
        os=host.os,
        os_kernel=host.os_kernel,
        architecture=host.architecture,
        cpus=host.cpus,
        memory=host.memory_bytes,
        boot_at=host.boot_time.ToDatetime(UTC) if host.HasField("boot_time") else None,
        python=host.python_version,
        version=host.agent_version,
        labels=dict(host.labels),
    )
    words = [*msgspec.structs.astuple(facts)[:6], facts.python, facts.version, *facts.labels, *facts.labels.values()]
    for word in [word for word in words if isinstance(word, str)]:
        if len(word) > 200 or "\0" in word:
            raise InvalidArgument(f"{word[:60]!r} is too long, or holds a NUL character", field="hello.host")
    return facts


def _read_role(kind: workers_pb2.KindPolicy) -> Role:
    if kind.role not in (0, *ROLES):
        raise InvalidArgument(f"role {kind.role} of kind {kind.kind[:60]!r} is none that is known", field="hello.kinds")
    return Role(kind.role or Role.SUBMITTER)


def _read_kind(kind: workers_pb2.KindPolicy) -> KindFacts:
    for word in (kind.kind, kind.pool):
        if not 0 < len(word) <= LONGEST_WORD or "\0" in word:
            raise InvalidArgument(f"{word[:60]!r} is no name of a kind or a pool", field="hello.kinds")

    def seconds(name: str) -> float | None:
        return read_seconds(getattr(kind, name), f"hello.kinds.{name}") if kind.HasField(name) else None  # type: ignore[arg-type]

    return KindFacts(
        name=kind.kind,
        pool=kind.pool,
        attempts=min(max(kind.attempts, 1), 32_000),
        pause=seconds("pause") or 0.0,
        start_within=seconds("start_within"),
        run_limit=seconds("run_limit"),
        silence_limit=seconds("silence_limit"),
        joins_running=kind.joins_running,
    )


def read_words(words: workers_pb2.AttemptWords) -> Said:
    """Raises `InvalidArgument`."""
    said = words.progress if words.HasField("progress") else None
    total = said.total if said is not None and said.HasField("total") else None
    return Said(
        task=read_id(words.name, "tasks"),
        attempt=words.attempt,
        started_age=_age(words.started),
        stage=words.stage if words.HasField("stage") else None,
        progress=said and Progress(_sequence(said.sequence), _age(said.age), said.current, total),
        lines=tuple(
            Line(
                _sequence(line.sequence),
                _age(line.age),
                int(line.type),
                line.text,
                line.data.data.decode() if line.HasField("data") else None,
            )
            for line in words.lines
        ),
        chunks=tuple(
            Chunk(_sequence(chunk.sequence), _age(chunk.age), chunk.stream, chunk.data, chunk.dropped)
            for chunk in words.chunks
        ),
    )


def _sequence(number: int) -> int:
    if not 0 < number <= LARGEST_ID:
        raise InvalidArgument(f"{number} is no sequence", field="sequence")
    return number


def _age(message: object) -> float:
    return max(0.0, read_seconds(message, "age"))  # type: ignore[arg-type]


def read_end(end: workers_pb2.End) -> Ended:
    """Raises `InvalidArgument`."""
    if end.verdict not in {verdict.value for verdict in VERDICTS}:
        raise InvalidArgument(f"verdict {end.verdict} is none that is known", field="verdict")
    return Ended(
        task=read_id(end.name, "tasks"),
        attempt=end.attempt,
        verdict=Verdict(end.verdict),
        started_age=_age(end.started) if end.HasField("started") else None,
        ended_age=_age(end.ended),
        message=end.message,
        result=end.result.data.decode() if end.HasField("result") else None,
        pause=_age(end.pause),
    )


def read_child(child: workers_pb2.Child) -> tuple[int, int, Request]:
    """The parent, its attempt, and what is asked for.  Raises `InvalidArgument`."""
    parent = read_id(child.parent, "tasks", "parent")
    asked = tasks_service_pb2.EnqueueRequest(task=child.task, request_id=child.request_id)
    asked.task.ClearField("due_time")
    request = read_request(asked, datetime.now(UTC))
    delay = read_seconds(child.delay, "delay") if child.HasField("delay") else 0.0
    request = msgspec.structs.replace(request, trigger=request.trigger or "parent", parent=parent, delay=delay)
    return parent, child.attempt, request


def read_visit(visit: workers_pb2.LaneVisit, epoch: int) -> Entrant:
    """Raises `InvalidArgument`."""
    return Entrant(read_name(visit.lane, "lanes", "lane"), read_id(visit.name, "tasks"), visit.attempt, epoch)


def visit(entrant: Entrant) -> workers_pb2.LaneVisit:
    return workers_pb2.LaneVisit(lane=f"lanes/{entrant.lane}", name=f"tasks/{entrant.task}", attempt=entrant.attempt)


def turn(facts: Turn) -> workers_pb2.LaneTurn:
    holder = "" if facts.holder is None else f"tasks/{facts.holder}"
    return workers_pb2.LaneTurn(fence=facts.fence or 0, position=facts.position, holder=holder)


def read_document(asked: Any) -> str:
    """The name in a question about one document.  Raises `InvalidArgument`."""
    with _fitting("document"):
        live.check_name(asked.document)
    return str(asked.document)


def read_put(asked: workers_pb2.PutDocument, by: str) -> NewDocument:
    """Raises `InvalidArgument`."""
    put_id, expected = read_request_id(asked.put_id), asked.expected if asked.HasField("expected") else None
    with _fitting("put_document"):
        live.check_put(asked.document, expected, asked.keep)
        value = live.encoded_value(asked.document, msgspec.Raw(asked.value.data))
    if put_id is None:
        raise InvalidArgument("put_id must be a UUID", field="put_document.put_id")
    return NewDocument(asked.user.plugin, asked.document, value, by, put_id, expected, asked.keep)


def check_list(asked: workers_pb2.ListDocuments) -> None:
    """Raises `InvalidArgument`."""
    with _fitting("list_documents"):
        live.check_list(asked.prefix, asked.after, asked.limit)


@contextmanager
def _fitting(field: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InvalidArgument(str(error), field=field) from error


def documents(found: Sequence[DocumentFacts]) -> workers_pb2.DocumentsFound:
    return workers_pb2.DocumentsFound(
        documents=[
            workers_pb2.StoredDocument(
                document=one.name,
                version=one.version,
                value=payload(one.value),
                store_time=timestamp(one.stored_at),
                by=one.by,
            )
            for one in found
        ]
    )


def settled(ends: list[Settled]) -> workers_pb2.AcceptedEnds:
    accepted = [
        workers_pb2.AcceptedEnd(name=f"tasks/{one.task}", verdict=one.verdict.value)  # type: ignore[arg-type]
        for one in ends
    ]
    return workers_pb2.AcceptedEnds(ends=accepted)


def refusal(error: WindlassError) -> workers_pb2.Refusal:
    field = error.field if isinstance(error, InvalidArgument) else ""
    return workers_pb2.Refusal(reason=error.reason, message=error.message, field=field, metadata=error.facts)


@singledispatch
def message(said: object) -> workers_service_pb2.KernelMessage:
    """What is sent to an agent."""
    raise TypeError(f"{said!r} is nothing that is sent")


@message.register
def _(said: Welcome) -> workers_service_pb2.KernelMessage:
    welcome = workers_pb2.Welcome(
        epoch=said.epoch,
        lease=span(said.times.lease),
        renew=span(said.times.renew),
        server=said.server,
        is_drained=said.draining,
    )
    return Kernel(welcome=welcome)


@message.register
def _(said: Beat) -> workers_service_pb2.KernelMessage:
    return Kernel(beat=workers_pb2.Beat(number=said.number, is_alive=said.alive, is_drained=said.draining))


@message.register
def _(said: Answered) -> workers_service_pb2.KernelMessage:
    return Kernel(answer=said.answer)


@message.register
def _(said: Asked) -> workers_service_pb2.KernelMessage:
    return Kernel(cancel=workers_pb2.Cancel(name=f"tasks/{said.task}", by=said.by, reason=said.reason))


@message.register
def _(said: LaneNews) -> workers_service_pb2.KernelMessage:
    return Kernel(lane_news=workers_pb2.LaneNews())


@message.register
def _(said: Assignment) -> workers_service_pb2.KernelMessage:
    task = said.claimed
    assignment = workers_pb2.Assignment(
        name=f"tasks/{task.id}",
        attempt=task.attempt,
        uncounted=task.uncounted,
        kind=task.kind,
        pool=said.pool,
        priority=task.priority,
        title=task.title,
        trigger=task.trigger,
        initiator=task.initiator,
        origin=task.origin,  # type: ignore[arg-type]
        labels=msgspec.json.decode(task.labels, type=dict[str, str]),
        payload=payload(task.payload),
        next_try_time=timestamp(task.next_try_at),
        create_time=timestamp(task.created_at),
        attempt_limit=task.attempt_limit,
        retry_pause=span(task.retry_pause),
        run_limit=span(task.run_limit),
        silence_limit=span(task.silence_limit),
        coalesce_key=task.coalesce_key,
        slot_key=task.slot_key,
        trace=_trace(task.trace),
        joined=[task_pb2.Payload(data=bytes(one)) for one in task.joined],
    )
    return Kernel(assignment=assignment)


def _trace(trace: str | None) -> task_pb2.TraceContext | None:
    if trace is None:
        return None
    headers = carrier(trace)
    return task_pb2.TraceContext(traceparent=headers["traceparent"], tracestate=headers.get("tracestate", ""))


def host(facts: HostFacts) -> agent_pb2.Host:
    return agent_pb2.Host(
        hostname=facts.hostname,
        addresses=facts.addresses,
        os=facts.os,
        os_kernel=facts.os_kernel,
        architecture=facts.architecture,
        cpus=facts.cpus,
        memory_bytes=facts.memory,
        boot_time=timestamp(facts.boot_at),
        python_version=facts.python,
        agent_version=facts.version,
        agent=f"agents/{facts.agent}",
        labels=facts.labels,
    )


def agent(entry: AgentEntry) -> agent_pb2.Agent:
    own = pool_of(entry.id)
    pools = sorted(entry.pools.items(), key=lambda one: (one[0] != own, one[0]))
    return agent_pb2.Agent(
        name=f"agents/{entry.id}",
        state=int(entry.state),  # type: ignore[arg-type]
        node=f"nodes/{entry.epoch}",
        version=entry.host.version,
        host=host(entry.host),
        labels=entry.host.labels,
        pools=[agent_pb2.AgentPool(pool=name, slots=slots) for name, slots in pools],
        kinds=entry.kinds,
        create_time=timestamp(entry.created_at),
        join_time=timestamp(entry.joined_at),
        last_seen_time=timestamp(entry.seen_at),
        expire_time=timestamp(entry.expires_at),
        peer=entry.peer,
        server=entry.server,
        running=entry.running,
    )
