"""Spans of real nodes, kept in memory: how attempts end in them, what begins a trace, and what is left alone."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from windlass import Context, Failed, Outcome, Success, telemetry
from windlass.core.schedules import Schedule
from windlass.telemetry.tracing import Spans

from tests.host.rig import Rig, asked
from tests.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-"


class Kept:
    """The spans that have ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    async def one(self, name: str) -> ReadableSpan:
        await eventually(lambda: self.named(name))
        [span] = self.named(name)
        return span


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    exporter = InMemorySpanExporter()
    providers: list[TracerProvider] = []
    # The process has one provider for good; a test needs its own.
    monkeypatch.setattr(trace, "set_tracer_provider", providers.append)
    monkeypatch.setattr(telemetry, "spans", Spans([], {}, "a node"))
    providers[0].add_span_processor(SimpleSpanProcessor(exporter))
    return Kept(exporter)


def outcome(span: ReadableSpan) -> tuple[object, StatusCode]:
    return (span.attributes or {})["windlass.outcome"], span.status.status_code


async def fails(ctx: Context) -> Outcome:
    return Failed("no")


async def stays(ctx: Context) -> Outcome:
    await asyncio.Event().wait()
    return Success()


async def test_a_failure_is_an_error_and_its_words_are_told(rig: Rig, kept: Kept) -> None:
    await rig.start()
    await rig.enqueue(fails, trace=f"{PARENT}01")
    span = await kept.one("run Play")
    assert (outcome(span), span.status.description) == (("failed", StatusCode.ERROR), "no")
    assert (await kept.one("finish Play")).parent == span.context


async def test_an_interrupt_is_no_error(rig: Rig, kept: Kept) -> None:
    kernel = await rig.start()
    task = await rig.enqueue(stays, trace=f"{PARENT}01")
    await rig.began(task)
    await kernel.interrupt(asked(task))
    assert outcome(await kept.one("run Play")) == ("canceled", StatusCode.UNSET)


async def test_an_attempt_that_lost_its_task_ends_its_span_and_stores_nothing(rig: Rig, kept: Kept) -> None:
    kernel = await rig.start()
    task = await rig.enqueue(stays, trace=f"{PARENT}01")
    await rig.began(task)
    kernel.node._executions[task].fence()
    assert outcome(await kept.one("run Play"))[0] == "superseded"
    assert kept.named("finish Play") == []


async def test_a_caller_that_does_not_sample_is_followed(rig: Rig, kept: Kept) -> None:
    await rig.start()
    quiet = await rig.enqueue(fails, trace=f"{PARENT}00")
    loud = await rig.enqueue(fails, trace=f"{PARENT.replace('4b', '5b')}01")
    for task in (quiet, loud):
        await rig.ended(task)
    span = await kept.one("run Play")
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE.replace("4b", "5b")


async def test_a_schedule_begins_a_trace_each_time_and_its_task_keeps_it(rig: Rig, kept: Kept) -> None:
    async def says_nothing(ctx: Context) -> Outcome:
        return Success()

    rig.theatre.plays["it"] = says_nothing
    kernel = await rig.start()
    await kernel.timetable.put(Schedule("nightly", "Play", interval=1.0, payload={"play": "it"}))
    await eventually(lambda: len(kept.named("run Play")) >= 2)
    fired = {span.context.trace_id: span for span in kept.named("fire nightly") if span.context}
    for run in kept.named("run Play"):
        assert run.context is not None
        assert run.parent is not None
        assert run.parent.span_id == fired[run.context.trace_id].context.span_id
    assert len(fired) >= 2
    [(stored,)] = rig.execute("select trace from windlass.task order by id limit 1")
    assert int(stored[3:35], 16) in fired
