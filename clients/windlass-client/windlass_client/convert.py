"""Protobuf messages to the values users see, and back.  No protobuf type leaves this library."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from windlass_proto.v1 import agent_pb2, event_pb2, history_service_pb2, task_pb2, tasks_service_pb2

from windlass_client.errors import InvalidArgument
from windlass_client.events import (
    Event,
    OutputWritten,
    ProgressMade,
    QueueChange,
    QueueCurrent,
    StageEntered,
    StateChanged,
    StepWritten,
    Stream,
    TaskGone,
    TaskSeen,
)
from windlass_client.resources import (
    Attempt,
    Card,
    CardState,
    Gate,
    GateKind,
    Host,
    Joined,
    NewTask,
    Origin,
    Outcome,
    Progress,
    Receipt,
    ReceiptStatus,
    State,
    Step,
    StepType,
    Task,
    TraceContext,
)

E = TypeVar("E", bound=StrEnum)
N = TypeVar("N", bound=int)
JSON = "application/json"
LARGEST = 4 * 2**20
"""Bytes of a message that gRPC lets through; what is smaller, the server itself refuses, with better words."""


def enqueue_request(new: NewTask, request_id: str) -> tasks_service_pb2.EnqueueRequest:
    """InvalidArgument when a value cannot even be written down: a payload that is no JSON, a priority of 2**40."""
    try:
        request = tasks_service_pb2.EnqueueRequest(task=_new_task(new), request_id=request_id)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(f"this task cannot be sent: {error}", reason="PAYLOAD_INVALID") from error
    if (size := request.ByteSize()) > LARGEST:
        raise InvalidArgument(f"the task has {size} bytes, more than any server takes", reason="PAYLOAD_TOO_LARGE")
    return request


def _new_task(new: NewTask) -> tasks_service_pb2.NewTask:
    task = tasks_service_pb2.NewTask(
        kind=new.kind,
        title=new.title,
        priority=new.priority,
        pool=new.pool,
        trigger=new.trigger,
        labels=new.labels,
        payload=json_payload(new.payload),
    )
    if new.retry_attempts is not None:
        task.retry.attempts = new.retry_attempts
    if new.retry_pause is not None:
        task.retry.pause.FromNanoseconds(round(new.retry_pause * 1e9))
    if new.due is not None:
        task.due_time.CopyFrom(_timestamp(new.due))
    _add_gates(task, new)
    return task


def _add_gates(task: tasks_service_pb2.NewTask, new: NewTask) -> None:
    if new.coalesce_key is not None:
        task.coalesce_key = new.coalesce_key
    if new.concurrency_key is not None:
        task.concurrency.key, task.concurrency.limit = new.concurrency_key, new.concurrency_limit
    task.after.extend(f"tasks/{id}" for id in new.after)
    task.after_success = new.after_success
    for name in ("start_within", "run_limit", "silence_limit"):
        if (seconds := getattr(new, name)) is not None:
            getattr(task, name).FromNanoseconds(round(seconds * 1e9))


def json_payload(value: object) -> task_pb2.Payload:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return task_pb2.Payload(content_type=JSON, data=text.encode())


def _timestamp(time: datetime) -> Timestamp:
    if time.tzinfo is None:
        raise ValueError("due has no time zone")
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def receipt(message: tasks_service_pb2.EnqueueResponse) -> Receipt:
    status = word(tasks_service_pb2.EnqueueResponse.Receipt.Name, message.receipt, ReceiptStatus)
    state = word(task_pb2.Task.State.Name, message.state, State)
    return Receipt(id=id_of(message.task), status=status, state=state, joined=message.joined)


def gate(message: tasks_service_pb2.Gate) -> Gate:
    kind = word(tasks_service_pb2.Gate.Kind.Name, message.kind, GateKind)
    return Gate(kind, message.why, message.clears, tuple(map(id_of, message.tasks)))


def task(message: task_pb2.Task) -> Task:
    return Task(
        id=id_of(message.name),
        kind=message.kind,
        title=message.title,
        priority=message.priority,
        pool=message.pool,
        trigger=message.trigger,
        origin=word(task_pb2.Origin.Name, message.origin, Origin),
        initiator=message.initiator,
        labels=dict(message.labels),
        payload=json_in(message, "payload"),
        retry_attempts=message.retry.attempts,
        retry_pause=seconds(message.retry.pause),
        created=_time(message, "create_time"),
        state=word(task_pb2.Task.State.Name, message.state, State),
        next_try=_time(message, "next_try_time"),
        started=_time(message, "start_time"),
        ended=_time(message, "end_time"),
        attempt=message.attempt,
        retries=message.retries,
        node=message.node,
        stage=message.stage,
        progress=_progress(message.progress) if message.HasField("progress") else None,
        message=message.message,
        result=json_in(message, "result"),
        parent=id_of(message.parent) or None,
        retry_of=id_of(message.retry_of) or None,
        coalesce_key=message.coalesce_key,
        trace=_trace(message.trace) if message.HasField("trace") else None,
        host=host(message.host) if message.HasField("host") else None,
    )


def host(message: agent_pb2.Host) -> Host:
    return Host(
        agent=last_part(message.agent),
        hostname=message.hostname,
        addresses=tuple(message.addresses),
        os=message.os,
        os_kernel=message.os_kernel,
        architecture=message.architecture,
        cpus=message.cpus,
        memory_bytes=message.memory_bytes,
        boot_time=_time(message, "boot_time"),
        python_version=message.python_version,
        agent_version=message.agent_version,
        labels=dict(message.labels),
    )


def card(message: history_service_pb2.Card) -> Card:
    return Card(
        id=id_of(message.name),
        state=word(history_service_pb2.Card.State.Name, message.state, CardState),
        task=task(message.task),
        attempts=tuple(_attempt(each) for each in message.attempts),
        joined=tuple(_joined(each) for each in message.joined),
    )


def _joined(message: history_service_pb2.Joined) -> Joined:
    origin = word(task_pb2.Origin.Name, message.origin, Origin)
    return Joined(_time(message, "time"), message.running, message.trigger, origin, message.initiator)


def _attempt(message: history_service_pb2.Attempt) -> Attempt:
    return Attempt(
        number=message.attempt,
        outcome=word(history_service_pb2.Attempt.Outcome.Name, message.outcome, Outcome),
        node=message.node,
        started=_time(message, "start_time"),
        ended=_time(message, "end_time"),
        message=message.message,
    )


def step(message: history_service_pb2.Step) -> Step:
    return Step(
        sequence=message.sequence,
        attempt=message.attempt,
        time=_time(message, "time"),
        type=word(history_service_pb2.Step.Type.Name, message.type, StepType),
        text=message.text,
        data=json_in(message, "data"),
    )


def event(message: event_pb2.Event) -> Event:
    sequence, attempt, time = message.sequence, message.attempt, _time(message, "time")
    match message.WhichOneof("body"):
        case "state":
            return _state_changed(message, time)
        case "stage":
            return StageEntered(sequence, attempt, time, message.stage)
        case "progress":
            return ProgressMade(sequence, attempt, time, _progress(message.progress))
        case "step":
            return StepWritten(sequence, attempt, time, message.step.text, json_in(message.step, "data"))
        case "output":
            return output(message)
    return Event(sequence, attempt, time)


def output(message: event_pb2.Event | history_service_pb2.OutputChunk) -> OutputWritten:
    sequence, attempt, time, wrote = message.sequence, message.attempt, _time(message, "time"), message.output
    stream = word(event_pb2.Output.Stream.Name, wrote.stream, Stream)
    return OutputWritten(sequence, attempt, time, stream, wrote.data, wrote.dropped)


def queue_change(message: tasks_service_pb2.QueueChange) -> QueueChange:
    match message.WhichOneof("change"):
        case "task":
            return TaskSeen(task(message.task))
        case "gone":
            return TaskGone(id_of(message.gone))
        case "current":
            return QueueCurrent(_time(message, "current"))
    return QueueChange()


def _state_changed(message: event_pb2.Event, time: datetime | None) -> StateChanged:
    change = message.state
    return StateChanged(
        sequence=message.sequence,
        attempt=message.attempt,
        time=time,
        state=word(task_pb2.Task.State.Name, change.state, State),
        message=change.message,
        node=change.node,
        next_try=_time(change, "next_try_time"),
        result=json_in(change, "result"),
    )


def origin_number(origin: Origin | None) -> task_pb2.Origin.ValueType:
    return task_pb2.Origin.Value(f"ORIGIN_{origin or Origin.UNSPECIFIED}")


def stream_number(stream: Stream | None) -> event_pb2.Output.Stream.ValueType:
    return event_pb2.Output.Stream.Value(f"STREAM_{stream or Stream.UNSPECIFIED}")


def id_of(name: str) -> int:
    """The number in `tasks/7` or `cards/7`; 0 for an empty name."""
    return int(last_part(name) or 0)


def last_part(name: str) -> str:
    """`nightly` of `schedules/nightly`."""
    return name.rpartition("/")[2]


def word(name_of: Callable[[N], str], number: N, words: type[E]) -> E:
    """The enum's word for a number of the protocol; UNSPECIFIED for one that is newer than this library."""
    try:
        name = name_of(number)
    except (ValueError, KeyError):
        return words("UNSPECIFIED")
    return next((word for word in words if name.endswith(f"_{word}")), words("UNSPECIFIED"))


def _progress(message: task_pb2.Progress) -> Progress:
    return Progress(message.current, message.total)


def _trace(message: task_pb2.TraceContext) -> TraceContext:
    return TraceContext(message.traceparent, message.tracestate)


def _time(message: Message, field: str) -> datetime | None:
    """None when the field is unset."""
    return moment(getattr(message, field)) if message.HasField(field) else None


def moment(time: Timestamp) -> datetime:
    return time.ToDatetime(UTC)


def seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def json_in(message: Message, field: str) -> Any:
    """The decoded payload in this field, None when it is unset; a type that is not JSON stays bytes."""
    payload = getattr(message, field)
    if not message.HasField(field) or not payload.data:
        return None
    return json.loads(payload.data) if payload.content_type in ("", JSON) else payload.data
