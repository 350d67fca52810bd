"""The overview as protobuf says it.  Ages are counted from the picture's own time."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from windlass_proto.v1 import cluster_pb2, overview_pb2

from windlass.control import convert
from windlass.control.convert_cluster import lane
from windlass.control.values import payload, span, timestamp
from windlass.core.sections import HealthLine
from windlass.core.signals import Signal
from windlass.core.vitals import COUNT_CAP, PoolVitals
from windlass.host.picture import Picture
from windlass.host.sections import SectionFacts
from windlass.store.statistics import Counts
from windlass.store.survey import CoalescingFacts

NUMBERS = Counts.__struct_fields__[2:-1]


def picture(drawn: Picture) -> overview_pb2.Picture:
    return overview_pb2.Picture(
        time=timestamp(drawn.time),
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
        live_agents=drawn.live_agents,
        draining=drawn.draining,
        counts=counts(drawn.counts),
    )


def counts(known: Counts) -> overview_pb2.Counts:
    numbers = {name: getattr(known, name) for name in NUMBERS}
    return overview_pb2.Counts(**numbers, waited=span(known.waited_ms / 1000))


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
        pause = cluster_pb2.Pause(by=vitals.paused_by, reason=vitals.pause_reason, time=timestamp(vitals.paused_at))
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
        create_time=timestamp(facts.created_at),
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
    lines = map(_line, facts.lines)
    return overview_pb2.Section(
        name=facts.name, title=facts.title, summary=facts.summary, lines=lines, data=payload(facts.data)
    )


def _line(line: HealthLine) -> overview_pb2.SectionLine:
    return overview_pb2.SectionLine(name=line.name, value=line.value, is_alarming=line.is_alarming)


def _since(at: datetime | None, now: datetime) -> Duration | None:
    return None if at is None else span(max((now - at).total_seconds(), 0.0))
