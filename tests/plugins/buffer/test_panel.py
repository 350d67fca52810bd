"""The section of the overview, drawn of numbers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from windlass_buffer.panel import report_of, section_of
from windlass_buffer.rates import Rate
from windlass_buffer.site_facts import SiteFacts

FINE = SiteFacts("shop", now=1000.0, limit=1000, processed=12345, last_run=998.0, drainer="d", rate=0.0)


def lines(*sites: SiteFacts) -> dict[str, tuple[str, bool]]:
    section = section_of(sites)
    assert section is not None
    return {line.name: (line.value, line.is_alarming) for line in section.lines}


def changed(**fields: Any) -> SiteFacts:
    return msgspec.structs.replace(FINE, **fields)


def test_a_site_where_all_is_well_alarms_nobody():
    assert lines(FINE) == {
        "status": ("idle", False),
        "last run": ("2.0 s ago", False),
        "transactions processed": ("12,345", False),
        "buffer size": ("0 of 1,000", False),
        "failed": ("0", False),
        "oldest": ("—", False),
        "drain rate": ("0/s", False),
        "replica lag": ("none", False),
        "gaps": ("none", False),
    }


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"drainer": ""}, "status", "stopped: nobody drains it; see windlass active and windlass doctor"),
        ({"database": "connection refused"}, "status", "database away: connection refused"),
        ({"redis": "no route", "away": 200.0}, "status", "redis away for 3 min: no route"),
        ({"queued": 800}, "buffer size", "800 of 1,000"),
        ({"failed": 2}, "failed", "2; see windlass buffer dead"),
        ({"oldest": 900.0}, "oldest", "100.0 s"),
        ({"pending": 3, "pending_since": 900.0}, "replica lag", "100.0 s, 3 commits"),
        ({"gaps": 1, "lost": 50}, "gaps", "1, 50 lost; see windlass buffer gaps"),
    ],
)
def test_what_needs_a_look_alarms(fields: dict[str, Any], name: str, value: str):
    assert lines(changed(**fields))[name] == (value, True)
    both = lines(changed(**fields), changed(site="other"))
    assert next(told for told, (_, is_alarming) in both.items() if is_alarming).startswith("shop"), "among many too"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "idle"),
        ({"queued": 1}, "draining"),
        ({"queued": 1, "database": "x"}, "database away"),
        ({"drainer": "", "database": "x"}, "stopped"),
        ({"drainer": "", "redis": "x"}, "redis away"),
    ],
)
def test_the_worst_of_a_site_and_of_all_sites_is_the_status(fields: dict[str, Any], status: str):
    assert report_of(changed(**fields)).status == status
    section = section_of([FINE, changed(site="other", **fields)])
    assert section is not None
    assert section.probe["background_processor"]["status"] == status
    assert section.summary.startswith(status)


def test_probes_get_what_they_always_got():
    other = changed(site="b", queued=3, failed=2, last_run=999.0, database="x")
    section = section_of([FINE, other])
    assert section is not None
    assert msgspec.json.decode(msgspec.json.encode(section.probe)) == {
        "background_processor": {
            "status": "database away",
            "last_run": "1970-01-01T00:16:39Z",
            "transactions_processed": 24690,
        },
        "database": "away",
        "redis": "ok",
        "buffer_size": 3,
        "failed_transactions": 2,
    }
    assert {name: section.data[name] for name in section.probe} == section.probe
    gauges = {(gauge.name, gauge.labels["site"]): gauge.value for gauge in section.gauges}
    assert (gauges["depth", "b"], gauges["up", "b"], gauges["up", "shop"]) == (3, 0.0, 1.0)


def test_many_sites_have_a_line_each_the_worst_first():
    many = [FINE, changed(site="b", drainer=""), changed(site="c", queued=1)]
    assert list(lines(*many)) == ["b", "c", "shop"]


def test_without_a_site_there_is_no_section():
    assert section_of([]) is None


def test_the_rate_is_of_the_last_minute():
    rate = Rate()
    assert rate.see(0.0, 100) is None
    assert rate.see(0.1, 200) is None, "too short to say"
    assert rate.see(10.0, 1100) == 100.0
    assert rate.see(100.0, 1100) == 0.0
    assert rate.see(1000.0, 5000) is None, "nobody looked for long"
    assert rate.see(1001.0, 10) is None, "another Redis"
