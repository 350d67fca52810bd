"""Protobuf on one side, the kernel's records on the other.  Protobuf types stop here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from windlass_proto.v1 import event_pb2, history_service_pb2, task_pb2, tasks_service_pb2

from windlass.control.values import JSON
from windlass.control.values import payload as _json
from windlass.control.values import read_seconds as _seconds
from windlass.control.values import timestamp as _time
from windlass.core.explain import Gate
from windlass.core.lifecycle import State, card_state
from windlass.core.sequence import attempt_of
from windlass.errors import InvalidArgument
from windlass.handler import Concurrency
from windlass.host.admission import Request
from windlass.host.pages import Change, Current, Gone
from windlass.store.facts import AttemptFacts, CardFacts, EventFacts, JoinedFacts, Receipt, Sort, TaskFacts
from windlass.telemetry.traceparent import carrier

STATE, STAGE, STEP, PROGRESS, OUTPUT = 1, 2, 3, 4, 5
LARGEST_ID = 2**63 - 1
NO_LABELS: dict[str, str] = {}
CREATED = tasks_service_pb2.EnqueueResponse.RECEIPT_CREATED
PENDING = task_pb2.Task.STATE_PENDING


def read_id(name: str, collection: str, field: str = "name") -> int:
    """The id in a resource name such as `tasks/12`."""
    found = re.fullmatch(rf"{collection}/([1-9][0-9]{{0,18}})", name)
    if found is None or int(found[1]) > LARGEST_ID:
        raise InvalidArgument(f"{field} must look like {collection}/123, not {name[:60]!r}", field=field)
    return int(found[1])


def read_request(message: tasks_service_pb2.EnqueueRequest, now: datetime) -> Request:
    """An enqueue request in the kernel's words.  `now` only turns a due time into a delay."""
    task = message.task
    payload, has_retry = task.payload, task.HasField("retry")
    content_type = payload.content_type
    if content_type not in ("", JSON):
        raise InvalidArgument(
            f"payload.content_type must be {JSON}, not {content_type[:60]!r}", field="task.payload.content_type"
        )
    return Request(
        kind=task.kind,
        title=task.title,
        priority=task.priority if task.HasField("priority") else None,
        pool=task.pool,
        trigger=task.trigger,
        labels=dict(task.labels) if task.labels else NO_LABELS,
        payload=payload.data or b"{}",
        attempts=(task.retry.attempts or None) if has_retry else None,
        pause=_seconds(task.retry.pause, "task.retry.pause") if has_retry and task.retry.HasField("pause") else None,
        delay=_delay(task.due_time, now) if task.HasField("due_time") else 0.0,
        request_id=message.request_id,
        coalesce_key=task.coalesce_key if task.HasField("coalesce_key") else None,
        concurrency=Concurrency(task.concurrency.key, task.concurrency.limit or 1)
        if task.HasField("concurrency")
        else None,
        start_within=_seconds(task.start_within, "task.start_within") if task.HasField("start_within") else None,
        run_limit=_seconds(task.run_limit, "task.run_limit") if task.HasField("run_limit") else None,
        silence_limit=_seconds(task.silence_limit, "task.silence_limit") if task.HasField("silence_limit") else None,
        after=tuple([read_id(name, "tasks", "task.after") for name in task.after]) if task.after else (),
        after_success=task.after_success,
    )


def _delay(due: Timestamp, now: datetime) -> float:
    try:
        return (due.ToDatetime(UTC) - now).total_seconds()
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f"due_time is out of range: {error}", field="task.due_time") from error


def receipt(stored: Receipt) -> tasks_service_pb2.EnqueueResponse:
    name = f"tasks/{stored.task}"
    if stored.sort is Sort.CREATED:
        return tasks_service_pb2.EnqueueResponse(task=name, receipt=CREATED, state=PENDING)
    word = tasks_service_pb2.EnqueueResponse.Receipt.Value(f"RECEIPT_{stored.sort.name}")
    message = tasks_service_pb2.EnqueueResponse(task=name, receipt=word, joined=stored.joined)
    if not stored.repeated:
        message.state = int(stored.state)  # type: ignore[assignment]
    return message


def gate(found: Gate) -> tasks_service_pb2.Gate:
    return tasks_service_pb2.Gate(
        kind=tasks_service_pb2.Gate.Kind.Value(f"KIND_{found.kind.name}"),
        why=found.why,
        clears=found.clears,
        tasks=[f"tasks/{task}" for task in found.tasks],
    )


def task(facts: TaskFacts) -> task_pb2.Task:
    message = task_pb2.Task(
        name=f"tasks/{facts.id}",
        kind=facts.kind,
        title=facts.title,
        priority=facts.priority,
        pool=facts.pool,
        trigger=facts.trigger,
        origin=facts.origin,  # type: ignore[arg-type]
        initiator=facts.initiator,
        labels=msgspec.json.decode(facts.labels, type=dict[str, str]),
        payload=_json(facts.payload),
        state=int(facts.state),  # type: ignore[arg-type]
        attempt=facts.attempt,
        retries=facts.attempt - facts.uncounted,
        node=facts.node or "",
        stage=facts.stage or "",
        message=facts.message or "",
        result=_json(facts.result),
        create_time=_time(facts.created_at),
        next_try_time=_time(facts.next_try_at if facts.state is State.PENDING else None),
        start_time=_time(facts.started_at),
        end_time=_time(facts.ended_at),
        parent=_name(facts.parent),
        retry_of=_name(facts.retry_of),
        coalesce_key=facts.coalesce_key or "",
    )
    if facts.trace is not None:
        headers = carrier(facts.trace)
        message.trace.traceparent, message.trace.tracestate = headers["traceparent"], headers.get("tracestate", "")
    if facts.attempt_limit is not None:
        message.retry.attempts = facts.attempt_limit
    if facts.retry_pause is not None:
        message.retry.pause.FromTimedelta(timedelta(seconds=facts.retry_pause))
    if facts.progress_current is not None:
        message.progress.current = facts.progress_current
        message.progress.total = facts.progress_total or 0
    return message


def queue_change(change: Change) -> tasks_service_pb2.QueueChange:
    match change:
        case Gone(gone):
            return tasks_service_pb2.QueueChange(gone=f"tasks/{gone}")
        case Current(at):
            return tasks_service_pb2.QueueChange(current=_time(at))
        case TaskFacts():
            return tasks_service_pb2.QueueChange(task=task(change))


def _name(task: int | None) -> str:
    return "" if task is None else f"tasks/{task}"


def card(facts: TaskFacts, attempts: Iterable[AttemptFacts] = ()) -> history_service_pb2.Card:
    return history_service_pb2.Card(
        name=f"cards/{facts.id}",
        state=int(card_state(facts.state)),  # type: ignore[arg-type]
        task=task(facts),
        attempts=map(attempt, attempts),
    )


def full_card(facts: CardFacts) -> history_service_pb2.Card:
    message = card(facts.task, facts.attempts)
    message.joined.extend(map(joined, facts.joined))
    return message


def joined(facts: JoinedFacts) -> history_service_pb2.Joined:
    return history_service_pb2.Joined(
        time=_time(facts.at),
        running=facts.running,
        trigger=facts.trigger,
        origin=facts.origin,  # type: ignore[arg-type]
        initiator=facts.initiator,
    )


def attempt(facts: AttemptFacts) -> history_service_pb2.Attempt:
    return history_service_pb2.Attempt(
        attempt=facts.attempt,
        outcome=int(facts.verdict),  # type: ignore[arg-type]
        node=facts.node or "",
        start_time=_time(facts.started_at),
        end_time=_time(facts.ended_at),
        message=facts.message,
    )


def event(facts: EventFacts) -> event_pb2.Event:
    message = event_pb2.Event(sequence=facts.sequence, attempt=attempt_of(facts.sequence), time=_time(facts.at))
    if facts.type == STATE:
        message.state.state = int(facts.state or 0)  # type: ignore[assignment]
        message.state.message = facts.text
        message.state.node = facts.node or ""
        if facts.next_try_at:
            message.state.next_try_time.FromDatetime(facts.next_try_at)
        if facts.data is not None:
            message.state.result.CopyFrom(_payload(facts.data))
    elif facts.type == STAGE:
        message.stage = facts.text
    elif facts.type == STEP:
        message.step.text = facts.text
        if facts.data is not None:
            message.step.data.CopyFrom(_payload(facts.data))
    elif facts.type == PROGRESS:
        message.progress.current, message.progress.total = facts.current, facts.total or 0
    elif facts.type == OUTPUT:
        message.output.stream = facts.stream  # type: ignore[assignment]
        message.output.data, message.output.dropped = facts.data or b"", facts.dropped
    return message


def output_chunk(facts: EventFacts) -> history_service_pb2.OutputChunk:
    said = event(facts)
    return history_service_pb2.OutputChunk(
        sequence=said.sequence, attempt=said.attempt, time=said.time, output=said.output
    )


def step(task_id: int, facts: EventFacts) -> history_service_pb2.Step:
    return history_service_pb2.Step(
        name=f"cards/{task_id}/steps/{facts.sequence}",
        sequence=facts.sequence,
        attempt=attempt_of(facts.sequence),
        time=_time(facts.at),
        type=facts.type,  # type: ignore[arg-type]
        text=_words(facts) if facts.type == STATE else facts.text,
        data=_json(facts.data) if facts.type == STEP else None,
    )


def _words(facts: EventFacts) -> str:
    said = {State.PENDING: "created", State.RUNNING: f"started on {facts.node}"}
    if facts.state is State.PENDING and facts.next_try_at is not None:
        words = "waits for another attempt"
    else:
        words = said.get(facts.state or State.PENDING, (facts.state or State.PENDING).name.lower())
    return f"{words}: {facts.text}" if facts.text else words


def _payload(data: bytes) -> task_pb2.Payload:
    return task_pb2.Payload(content_type=JSON, data=bytes(data))
