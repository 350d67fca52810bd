"""The overview as protobuf says it.  Ages are counted from the picture's own time."""

from __future__ import annotations

from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from windlass_proto.v1 import cluster_pb2, overview_pb2, task_pb2

from windlass.control import convert
from windlass.control.values import JSON
from windlass.core.sections import HealthLine
from windlass.core.signals import Signal
from windlass.core.vitals import COUNT_CAP, PoolVitals
from windlass.host.picture import Picture
from windlass.host.sections import SectionFacts
from windlass.store.lanes import LaneFacts, Standing
from windlass.store.statistics import Counts
from windlass.store.survey import CoalescingFacts

NUMBERS = Counts.__struct_fields__[2:]


def picture(drawn: Picture) -> overview_pb2.Picture:
    return overview_pb2.Picture(
        time=_time(drawn.time),
        is_idle=drawn.is_idle,
        summary=drawn.summary,
        pools=[pool(one, drawn.time) for one in drawn.pools],
        active=map(convert.task, drawn.active),
        active_count=drawn.active_count,
        deferred=drawn.deferred,
        blocked=drawn.blocked,
        coalescing=map(coalescing, drawn.coalescing),
        coalescing_count=drawn.coalescing_count,
        lanes=map(lane, drawn.lanes),
        signals=[signal(one, drawn.time) for one in drawn.signals],
        sections=map(section, drawn.sections),
        live_nodes=drawn.live_nodes,
        counts=overview_pb2.Counts(**{name: getattr(drawn.counts, name) for name in NUMBERS}),
    )


def pool(vitals: PoolVitals, now: datetime) -> cluster_pb2.Pool:
    message = cluster_pb2.Pool(
        name=f"pools/{vitals.name}",
        slots=vitals.slots,
        in_use=vitals.in_use,
        waiting=min(vitals.waiting, COUNT_CAP),
        is_more=vitals.is_more,
        oldest_wait=_since(vitals.oldest_at, now),
    )
    if vitals.paused_by is not None:
        pause = cluster_pb2.Pause(by=vitals.paused_by, reason=vitals.pause_reason, time=_time(vitals.paused_at))
        message.pause.CopyFrom(pause)
    return message


def coalescing(facts: CoalescingFacts) -> overview_pb2.Coalescing:
    return overview_pb2.Coalescing(
        task=f"tasks/{facts.task}",
        kind=facts.kind,
        key=facts.key,
        title=facts.title,
        state=int(facts.state),  # type: ignore[arg-type]
        joined=facts.joined,
        create_time=_time(facts.created_at),
    )


def lane(facts: LaneFacts) -> cluster_pb2.Lane:
    return cluster_pb2.Lane(
        name=f"lanes/{facts.name}",
        fence=facts.fence,
        holder=None if facts.holder is None else _standing(facts.holder),
        waiters=map(_standing, facts.waiters),
    )


def signal(found: Signal, now: datetime) -> overview_pb2.HealthSignal:
    return overview_pb2.HealthSignal(
        name=found.name,
        severity=int(found.severity),  # type: ignore[arg-type]
        summary=found.summary,
        checks=found.checks,
        subjects=found.subjects,
        since=_since(found.since, now),
    )


def section(facts: SectionFacts) -> overview_pb2.Section:
    data = None if facts.data is None else task_pb2.Payload(content_type=JSON, data=facts.data)
    return overview_pb2.Section(
        name=facts.name, title=facts.title, summary=facts.summary, lines=map(_line, facts.lines), data=data
    )


def _line(line: HealthLine) -> overview_pb2.SectionLine:
    return overview_pb2.SectionLine(name=line.name, value=line.value, is_alarming=line.is_alarming)


def _standing(facts: Standing) -> cluster_pb2.LaneStanding:
    """Somebody whom the caller may not see has no name."""
    task = f"tasks/{facts.task}" if facts.task else ""
    return cluster_pb2.LaneStanding(task=task, attempt=facts.attempt, node=facts.node or "", since=_time(facts.since))


def _since(at: datetime | None, now: datetime) -> Duration | None:
    if at is None:
        return None
    message = Duration()
    message.FromTimedelta(max(now - at, timedelta()))
    return message


def _time(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message
