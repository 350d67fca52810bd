"""A real server that tells a real receiver of itself, and what it costs when nobody asks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from windlass import embedded

from tests.chaos.database import rows
from tests.system.probing import page, probe, probes_of, samples
from tests.system.receiver import Receiver, receiving, told
from tests.system.serving import Home, home_in, wait_for

PLUGIN = """
import logging
from opentelemetry import trace
from windlass import Failed, Handler, Retry, RetryPolicy, Success, hookimpl

tracer = trace.get_tracer("acme")
logger = logging.getLogger("acme")

class Publish(Handler[dict]):
    kind = "Publish"
    retry = RetryPolicy(attempts=3, pause=0.1)

    async def run(self, ctx, payload):
        logger.warning("acme at work", extra={"colour": "green"})
        with tracer.start_as_current_span("render"):
            pass
        async with ctx.lane("pages"):
            pass
        if ctx.task.retries == 1:
            return Retry("not yet")
        return Success(await ctx.enqueue("Thread", {}, name="part"))

class Thread(Handler[dict]):
    kind = "Thread"
    executor = "thread"

    def run(self, ctx, payload):
        with tracer.start_as_current_span("in a thread", attributes={"rows": 7}):
            return Success(ctx.enqueue("Process", {}))

class Process(Handler[dict]):
    kind = "Process"

    def run(self, ctx, payload):
        with tracer.start_as_current_span("in a process", attributes={"rows": 8}) as span:
            span.add_event("half way", {"at": 4})
        return Success()

@hookimpl
def windlass_register_handlers(settings):
    return [Publish(), Thread(), Process()]
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, dsn: str, receiver: Receiver) -> Iterator[Home]:
    """A home whose servers use the test's database and a stranger's plugin.

    They end before the receiver does: what they still have for it is handed in at their end, or waited for in vain.
    """
    site = tmp_path / "site"
    facts = site / "acme_pages-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "acme_pages.py").write_text(PLUGIN)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pages\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[windlass.plugins]\npages = acme_pages\n")
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, PYTHONPATH=str(site), OTEL_BSP_SCHEDULE_DELAY="50") as made:
        yield made


def enqueue(home: Home, kind: str, traceparent: str = "") -> str:
    """By a caller that is in a trace, as any OpenTelemetry instrumentation of gRPC sends it."""
    program = (
        "import json, sys, grpc, uuid\n"
        "from windlass_proto.v1 import task_pb2, tasks_service_pb2, tasks_service_pb2_grpc\n"
        "address, token, kind, trace = sys.argv[1:]\n"
        "metadata = [('authorization', f'Bearer {token}')] + ([('traceparent', trace)] if trace else [])\n"
        "task = tasks_service_pb2.NewTask(kind=kind, payload=task_pb2.Payload(data=b'{}'))\n"
        "request = tasks_service_pb2.EnqueueRequest(task=task, request_id=str(uuid.uuid4()))\n"
        "with grpc.insecure_channel(address) as channel:\n"
        "    print(tasks_service_pb2_grpc.TasksStub(channel).Enqueue(request, metadata=metadata).task)\n"
    )
    [file] = (home.path / "run").glob("server-*.json")
    token = (home.path / "token").read_text().strip()
    command = [sys.executable, "-c", program, json.loads(file.read_text())["address"], token, kind, traceparent]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def linked(span: Span) -> list[bytes]:
    return [link.span_id for link in span.links]


def test_one_trace_leads_from_the_caller_through_every_attempt_to_the_stored_end(
    home: Home, receiver: Receiver
) -> None:
    home.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.address
    home.serve()
    task = enqueue(home, "Publish", f"00-{TRACE}-{CALLER}-01")
    wait_for(lambda: receiver.named("finish Process"), "the last span", 30)
    wait_for(lambda: len(receiver.named("finish Publish")) == 2, "both ends")

    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
    enqueued = receiver.one("enqueue")
    assert (enqueued.parent_span_id.hex(), enqueued.kind) == (CALLER, Span.SPAN_KIND_PRODUCER)
    first, second = sorted(receiver.named("run Publish"), key=lambda span: told(span.attributes)["windlass.attempt"])
    assert first.parent_span_id == second.parent_span_id == enqueued.span_id
    assert (linked(first), linked(second)) == ([], [first.span_id]), "a retry is linked to the attempt before"
    attributes = told(first.attributes)
    assert attributes["messaging.message.id"] == task
    assert (attributes["messaging.operation.type"], attributes["messaging.destination.name"]) == ("process", "Publish")
    assert (attributes["windlass.outcome"], first.status.code, first.status.message) == ("retry", 2, "not yet")
    assert told(second.attributes)["windlass.outcome"] == "success"
    claims = receiver.named("claim Publish")
    assert {span.parent_span_id for span in claims} == {enqueued.span_id}
    assert len(claims) == 2
    for name in ("render", "wait for lane pages", "hold lane pages", "finish Publish"):
        assert {span.parent_span_id for span in receiver.named(name)} == {first.span_id, second.span_id}, name

    thread, process = receiver.one("run Thread"), receiver.one("run Process")
    assert thread.parent_span_id == second.span_id, "a child is in its parent's trace, under the attempt that made it"
    assert process.parent_span_id == receiver.one("in a thread").span_id
    assert receiver.one("in a thread").parent_span_id == thread.span_id
    inside = receiver.one("in a process")
    assert (inside.parent_span_id, told(inside.attributes), inside.events[0].name) == (
        process.span_id,
        {"rows": 8},
        "half way",
    )
    assert receiver.resources[0]["service.name"] == "windlass"


def test_attempts_of_a_task_that_nobody_traced_are_in_one_trace_all_the_same(
    home: Home, receiver: Receiver, dsn: str
) -> None:
    home.environ["OTEL_TRACES_EXPORTER"] = "otlp"
    home.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.address
    home.serve()
    rows(dsn, "select windlass.enqueue('Publish')")
    wait_for(lambda: len(receiver.named("finish Publish")) == 2, "both ends", 30)
    attempts = sorted(receiver.named("run Publish"), key=lambda span: span.start_time_unix_nano)
    assert len({span.trace_id for span in attempts}) == 1
    assert [span.parent_span_id for span in attempts] == [b"", b""]
    assert linked(attempts[1]) == [attempts[0].span_id]


def test_metrics_come_by_otlp_with_the_names_that_a_scrape_has(home: Home, receiver: Receiver) -> None:
    home.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address, "OTEL_METRIC_EXPORT_INTERVAL": "100"}
    home.environ["WINDLASS_SERVER_PROBES"] = "127.0.0.1:0"
    home.serve()
    enqueue(home, "Publish")
    wait_for(lambda: any(m.name == "windlass.lane.wait.duration" for m in receiver.metrics), "metrics", 30)
    wait_for(lambda: _ended(receiver) >= 4, "the attempts of all three tasks to be counted", 30)
    spread = [m for m in receiver.metrics if m.name == "messaging.process.duration"][-1]
    assert (spread.unit, sum(point.count for point in spread.histogram.data_points)) == ("s", 4)
    sent = {metric.name.replace(".", "_") for metric in receiver.metrics}
    scraped = samples(home)
    assert {name for name in sent if not any(sample.startswith(name) for sample in scraped)} == set()


def _ended(receiver: Receiver) -> int:
    found = [metric for metric in receiver.metrics if metric.name == "windlass.attempts.ended"]
    return sum(point.as_int for point in found[-1].sum.data_points) if found else 0


def test_a_scrape_tells_of_queue_attempts_and_process(home: Home) -> None:
    home.environ["WINDLASS_SERVER_PROBES"] = "127.0.0.1:0"
    home.serve()
    enqueue(home, "Publish")
    wait_for(lambda: 'outcome="retry"' in page(home, "/metrics")[1], "the first attempt to end")
    wait_for(lambda: samples(home).get("windlass_attempts_ended_total", 0) >= 4, "all attempts to end", 30)
    found = samples(home)
    assert found["messaging_client_sent_messages_total"] == 3
    assert found["messaging_client_consumed_messages_total"] == found["windlass_attempts_started_total"] == 4
    assert found["messaging_process_duration_seconds_count"] == found["windlass_pickup_duration_seconds_count"] == 4
    assert found["messaging_client_operation_duration_seconds_count"] == 1
    assert found["windlass_lane_wait_duration_seconds_count"] == 2
    assert found["windlass_node_ready"] == 1
    assert 'windlass_pool_slots{windlass_pool="default"} 40.0' in page(home, "/metrics")[1]
    wait_for(lambda: samples(home).get("windlass_queue_deferred") == 0, "a look at the queue as it is now")
    assert found["db_client_connection_max"] == 10
    assert found["process_resident_memory_bytes"] > 10e6
    assert found["windlass_loop_lag_seconds_count"] > 0


def test_a_server_says_that_it_is_alive_and_ready_and_where(home: Home) -> None:
    home.environ["WINDLASS_SERVER_PROBES"] = "127.0.0.1:0"
    server = home.serve()
    assert page(home, "/health") == (200, '{"status":"ok"}')
    assert page(home, "/ready") == (200, '{"ready":true}')
    assert page(home, "/secrets")[0] == 404
    address = probes_of(home)
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    assert probe(address, "/health")[0] == 0, "nobody answers any more"


def test_a_server_whose_database_is_gone_is_alive_and_not_ready_until_it_is_back(tmp_path: Path) -> None:
    lease = embedded.start(tmp_path / "data", valkey=False)
    dsn = lease.servers.postgres
    probing = {"WINDLASS_STORE_DSN": dsn, "WINDLASS_SERVER_PROBES": "127.0.0.1:0"}
    try:
        with home_in(tmp_path, **probing) as home:
            home.serve()
            assert page(home, "/ready")[0] == 200
            lease.close()
            wait_for(lambda: page(home, "/ready")[0] == 503, "it to notice")
            refused = json.loads(page(home, "/ready")[1])
            assert "the store does not answer" in refused["reason"] or "lease" in refused["reason"]
            assert page(home, "/health")[0] == 200
            assert "windlass_queue_depth" not in page(home, "/metrics")[1]
            lease = embedded.start(tmp_path / "data", valkey=False)
            assert lease.servers.postgres == dsn
            wait_for(lambda: page(home, "/ready")[0] == 200, "it to come back", 30)
    finally:
        lease.close()


def test_with_nothing_configured_nothing_of_it_is_imported(tmp_path: Path, dsn: str) -> None:
    program = (
        "import asyncio, json, os, signal, sys\n"
        "from windlass.config import load_config\n"
        "from windlass.main import serve\n"
        "def ready(address, console):\n"
        "    words = ('opentelemetry', 'prometheus_client', 'starlette', 'uvicorn')\n"
        "    print('imported', json.dumps([name for name in sys.modules if name.startswith(words)]), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "asyncio.run(serve(load_config(), ready))\n"
    )
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, WINDLASS_SERVER_LISTEN="127.0.0.1:0") as home:
        ran = subprocess.run(
            [sys.executable, "-c", program], env=home.environ, capture_output=True, text=True, timeout=60
        )
    assert ran.returncode == 0, ran.stderr
    assert "imported []" in ran.stdout.splitlines()


def test_an_exporter_that_is_not_installed_stops_the_start_and_is_named(tmp_path: Path, dsn: str) -> None:
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, OTEL_TRACES_EXPORTER="zipkin") as home:
        refused = home.run("serve", "--listen", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "no exporter 'zipkin' for traces is installed; there are console, otlp_proto_grpc" in refused.stderr


def test_a_receiver_that_is_away_holds_up_neither_work_nor_the_end(home: Home, dsn: str) -> None:
    home.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRIC_EXPORT_INTERVAL": "100"}
    server = home.serve()
    task = enqueue(home, "Publish")
    ended = "select from windlass.outcome where id = %s and state = 4"
    wait_for(lambda: rows(dsn, ended, int(task[6:])), "the task to end")
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=15) == 0


def test_lines_of_plugins_look_like_ours_and_name_the_attempt(home: Home, tmp_path: Path) -> None:
    home.environ["WINDLASS_LOG_JSON"] = "true"
    home.serve()
    task = enqueue(home, "Publish", f"00-{TRACE}-{CALLER}-01")
    log = tmp_path / "serve-0.log"
    wait_for(lambda: log.read_text().count("acme at work") == 2, "both attempts")
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    said = [line for line in lines if line["event"] == "acme at work"]
    assert [line["attempt"] for line in said] == [1, 2]
    assert {(line["task"], line["kind"], line["trace_id"]) for line in said} == {(int(task[6:]), "Publish", TRACE)}
    assert {(line["level"], line["logger"], line["colour"]) for line in said} == {("warning", "acme", "green")}
    joined = next(line for line in lines if line["event"] == "node joined")
    assert {"level", "timestamp"} <= joined.keys()
    assert "task" not in joined
