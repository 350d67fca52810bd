"""An agent's records as protobuf, and what the kernel sends as records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, timedelta
from typing import Any

import msgspec
from google.protobuf.duration_pb2 import Duration
from windlass import errors
from windlass.core.lifecycle import Verdict
from windlass.errors import WindlassError
from windlass.handler import Handler, Twin
from windlass.host.admission import Request
from windlass.store.facts import Claimed, Ended, Parent, Said, Settled
from windlass.store.lanes import Entrant
from windlass_proto.v1 import task_pb2, tasks_service_pb2, workers_pb2

JSON = "application/json"


def id_of(name: str) -> int:
    """The number in `tasks/12`."""
    return int(name.rpartition("/")[2])


def span(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def _seconds(message: Any, field: str) -> float | None:
    return getattr(message, field).ToTimedelta().total_seconds() if message.HasField(field) else None


def claimed(message: workers_pb2.Assignment) -> Claimed:
    trace = f"{message.trace.traceparent} {message.trace.tracestate}".strip() if message.HasField("trace") else None
    return Claimed(
        id=id_of(message.name),
        attempt=message.attempt,
        uncounted=message.uncounted,
        kind=message.kind,
        priority=message.priority,
        next_try_at=message.next_try_time.ToDatetime(UTC),
        payload=message.payload.data,
        title=message.title,
        trigger=message.trigger,
        initiator=message.initiator,
        labels=msgspec.json.encode(dict(message.labels)),
        created_at=message.create_time.ToDatetime(UTC),
        attempt_limit=message.attempt_limit if message.HasField("attempt_limit") else None,
        retry_pause=_seconds(message, "retry_pause"),
        run_limit=_seconds(message, "run_limit"),
        silence_limit=_seconds(message, "silence_limit"),
        coalesce_key=message.coalesce_key if message.HasField("coalesce_key") else None,
        slot_key=message.slot_key if message.HasField("slot_key") else None,
        origin=int(message.origin),
        trace=trace,
        joined=tuple(one.data for one in message.joined),
    )


def words(said: Said) -> workers_pb2.AttemptWords:
    progress = said.progress
    return workers_pb2.AttemptWords(
        name=f"tasks/{said.task}",
        attempt=said.attempt,
        started=span(said.started_age),
        stage=said.stage,
        progress=None
        if progress is None
        else workers_pb2.WordsProgress(
            sequence=progress.sequence, age=span(progress.age), current=progress.current, total=progress.total
        ),
        lines=[
            workers_pb2.WordsLine(
                sequence=line.sequence,
                age=span(line.age),
                type=line.type,  # type: ignore[arg-type]
                text=line.text,
                data=None if line.data is None else _payload(line.data),
            )
            for line in said.lines
        ],
        chunks=[
            workers_pb2.WordsChunk(
                sequence=chunk.sequence,
                age=span(chunk.age),
                stream=chunk.stream,
                data=chunk.data,
                dropped=chunk.dropped,
            )
            for chunk in said.chunks
        ],
    )


def _payload(text: str) -> task_pb2.Payload:
    return task_pb2.Payload(content_type=JSON, data=text.encode())


def end(ended: Ended) -> workers_pb2.End:
    return workers_pb2.End(
        name=f"tasks/{ended.task}",
        attempt=ended.attempt,
        verdict=ended.verdict.value,  # type: ignore[arg-type]
        started=span(ended.started_age),
        ended=span(ended.ended_age),
        message=ended.message,
        result=None if ended.result is None else _payload(ended.result),
        pause=span(ended.pause),
    )


def settled(accepted: Iterable[workers_pb2.AcceptedEnd]) -> list[Settled]:
    return [Settled(id_of(one.name), Verdict(one.verdict)) for one in accepted]


def child(parent: Parent, request: Request) -> workers_pb2.Child:
    has_retry = request.attempts is not None or request.pause is not None
    slots = request.concurrency
    task = tasks_service_pb2.NewTask(
        kind=request.kind,
        title=request.title,
        priority=request.priority,
        pool=request.pool,
        trigger=request.trigger,
        labels=dict(request.labels),
        payload=task_pb2.Payload(content_type=JSON, data=request.payload),
        retry=task_pb2.RetryPolicy(attempts=request.attempts or 0, pause=span(request.pause)) if has_retry else None,
        coalesce_key=request.coalesce_key,
        concurrency=None if slots is None else task_pb2.Concurrency(key=slots.key, limit=slots.limit),
        after=[f"tasks/{task}" for task in request.after],
        after_success=request.after_success,
        start_within=span(request.start_within),
        run_limit=span(request.run_limit),
        silence_limit=span(request.silence_limit),
    )
    return workers_pb2.Child(
        parent=f"tasks/{parent.task}",
        attempt=parent.attempt,
        task=task,
        delay=span(request.delay) if request.delay else None,
        request_id=request.request_id,
    )


def visit(entrant: Entrant, fence: int = 0) -> workers_pb2.LaneVisit:
    return workers_pb2.LaneVisit(
        lane=f"lanes/{entrant.lane}", name=f"tasks/{entrant.task}", attempt=entrant.attempt, fence=fence
    )


def entrants(visits: Iterable[workers_pb2.LaneVisit], epoch: int) -> set[Entrant]:
    return {Entrant(one.lane.removeprefix("lanes/"), id_of(one.name), one.attempt, epoch) for one in visits}


def policy(handler: Handler[Any]) -> workers_pb2.KindPolicy:
    """What is told of a kind that this process has a handler for."""
    return workers_pb2.KindPolicy(
        kind=handler.kind,
        pool=handler.pool,
        attempts=handler.retry.attempts,
        pause=span(handler.retry.pause),
        start_within=span(handler.deadlines.queue),
        run_limit=span(handler.deadlines.run),
        silence_limit=span(handler.deadlines.silence),
        joins_running=handler.running_twin is Twin.JOIN,
        role=int(handler.role),  # type: ignore[arg-type]
    )


def error(refusal: workers_pb2.Refusal) -> WindlassError:
    """The error that the kernel refused a question with, as one of the same class."""
    return error_of(refusal.reason, refusal.message, refusal.field, dict(refusal.metadata))


def error_of(reason: str, message: str, field: str, facts: dict[str, str]) -> WindlassError:
    kind = _classes().get(reason)
    if kind is None:
        return WindlassError(message, **facts)
    if issubclass(kind, errors.InvalidArgument):
        return kind(message, field=field, **{key: value for key, value in facts.items() if key != "field"})
    return kind(message, **facts)


def _classes() -> dict[str, type[WindlassError]]:
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, WindlassError)]
    return {one.reason: one for one in found}


def batches(sizes: Sequence[int], most: int) -> list[slice]:
    """Neighbours whose sizes add up to `most`, at least one in each."""
    found, start, total = [], 0, 0
    for place, size in enumerate(sizes):
        if place > start and total + size > most:
            found.append(slice(start, place))
            start, total = place, 0
        total += size
    return [*found, slice(start, len(sizes))] if sizes else []
