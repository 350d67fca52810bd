"""What a real server with a site tells: the probes, the metrics, the log of its end, and one trace to the replica."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from windlass_buffer_client import Statement, SyncBufferClient

from tests.plugins.buffer.replicas import Pair
from tests.system.probing import page
from tests.system.receiver import Receiver, receiving, told
from tests.system.serving import Home, home_in, wait_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, dsn: str, valkey_url: str, pair: Pair, site: str, receiver: Receiver) -> Iterator[Home]:
    with psycopg.connect(pair.primary, autocommit=True) as connection:
        connection.execute("create table note (id int primary key)")
    statement = f"""
        [[plugins.buffer.site]]
        name = {json.dumps(site)}
        redis = {json.dumps(valkey_url)}
        dsn = {json.dumps(pair.primary)}
        [[plugins.buffer.site.replica]]
        name = "near"
        dsn = {json.dumps(pair.replica)}
        [[plugins.buffer.site.statement]]
        name = "note.add"
        sql = "insert into note (id) values (%(id)s)"
        parameters = {{ id = "int" }}
    """
    environ = {
        "WINDLASS_STORE_DSN": dsn,
        "WINDLASS_SERVER_PROBES": "127.0.0.1:0",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with home_in(tmp_path, **environ) as made:
        made.path.mkdir(mode=0o700)
        (made.path / "windlass.toml").write_text(statement)
        made.serve()
        yield made


def test_probes_metrics_and_one_trace_from_submit_to_the_replica(
    home: Home, receiver: Receiver, valkey_url: str, site: str
) -> None:
    with SyncBufferClient(valkey_url, site) as buffer:
        add = Statement("note.add", parameters={"id": 1})
        mine = buffer.submit("POST /notes", [add], traceparent=f"00-{TRACE}-{CALLER}-01").id
        buffer.submit("POST /notes", [Statement("note.add", parameters={"id": 2})])
        wait_for(lambda: buffer.status(mine).state == "replicated", "the replica", 30)
    wait_for(lambda: receiver.named("replicate"), "the last span", 10)

    applied, replicated = receiver.one("apply POST /notes"), receiver.one("replicate")
    assert {applied.trace_id.hex(), replicated.trace_id.hex()} == {TRACE}
    assert (applied.parent_span_id.hex(), replicated.parent_span_id) == (CALLER, applied.span_id)
    assert told(applied.attributes) == {"windlass.buffer.site": site, "messaging.message.id": str(mine)}
    assert applied.start_time_unix_nano < applied.end_time_unix_nano <= replicated.end_time_unix_nano
    [link] = applied.links
    assert link.trace_id.hex() != TRACE, "the batch is of the drainer's own trace"

    def health() -> dict[str, object]:
        status, body = page(home, "/health")
        assert status == 200
        found: dict[str, object] = json.loads(body)
        return found

    wait_for(lambda: health()["background_processor"]["transactions_processed"] == 2, "the count")  # type: ignore[index]
    found = health()
    processor = found.pop("background_processor")
    assert isinstance(processor, dict)
    assert processor.pop("last_run").endswith("Z")
    assert processor == {"status": "idle", "transactions_processed": 2}
    assert found == {"status": "ok", "database": "ok", "redis": "ok", "buffer_size": 0, "failed_transactions": 0}
    metrics = page(home, "/metrics")[1]
    for line in ("processed", "up", "depth", "replica_lag_seconds"):
        assert f'windlass_plugin_buffer_{line}{{site="{site}"}}' in metrics, line
    assert f'windlass_plugin_buffer_processed{{site="{site}"}} 2.0' in metrics
