"""The section "Buffer" of the overview, drawn of the facts of the sites: for people, for probes, for metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from windlass import HealthGauge, HealthLine, HealthSection

from windlass_buffer.site_facts import SiteFacts

WORST_FIRST = ("redis away", "stopped", "database away", "draining", "idle")
OLD_SECONDS = 60.0
LAG_SECONDS = 30.0
FULL_SHARE = 0.8
"""Of the limit: beyond it, producers are about to be refused."""


class SiteReport(msgspec.Struct, frozen=True):
    """A site for programs.  Spans are seconds; None: there is nothing to tell, or Redis does not answer."""

    site: str
    status: str
    """"idle", "draining", "database away", "stopped" or "redis away"."""
    last_run: datetime | None
    transactions_processed: int
    buffer_size: int
    buffer_limit: int
    failed_transactions: int
    oldest_age: float | None
    drain_rate: float | None
    replica_lag: float | None
    pending_checks: int
    gaps: int
    lost: int
    drainer: str
    database: str
    """Why it does nothing; empty when it works."""
    redis: str
    """The same for Redis."""


def report_of(facts: SiteFacts) -> SiteReport:
    return SiteReport(
        site=facts.site,
        status=facts.status,
        last_run=_time(facts.last_run),
        transactions_processed=facts.processed,
        buffer_size=facts.queued,
        buffer_limit=facts.limit,
        failed_transactions=facts.failed,
        oldest_age=facts.age,
        drain_rate=facts.rate,
        replica_lag=facts.lag,
        pending_checks=facts.pending,
        gaps=facts.gaps,
        lost=facts.lost,
        drainer=facts.drainer,
        database=facts.database,
        redis=facts.redis,
    )


def section_of(sites: Sequence[SiteFacts]) -> HealthSection | None:
    """None where no site is configured."""
    if not sites:
        return None
    lines = list(_of_one(sites[0]) if len(sites) == 1 else _of_many(sites))
    said = _for_programs(sites)
    data = said | {"sites": [report_of(facts) for facts in sites]}
    return HealthSection("Buffer", _summary(sites), lines, data, said, list(_gauges(sites)))


def _summary(sites: Sequence[SiteFacts]) -> str:
    queued, failed, lost = (sum(getattr(facts, name) for facts in sites) for name in ("queued", "failed", "lost"))
    words = [_status(sites), f"{queued:,} buffered", f"{failed:,} failed"]
    return ", ".join([*words, f"{lost:,} lost"] if lost else words)


def _of_one(facts: SiteFacts) -> Iterator[HealthLine]:
    yield HealthLine("status", _why(facts), is_alarming=_is_down(facts))
    if facts.redis:
        return
    yield HealthLine("last run", _ago(facts))
    yield HealthLine("transactions processed", f"{facts.processed:,}")
    yield HealthLine("buffer size", f"{facts.queued:,} of {facts.limit:,}", is_alarming=_is_full(facts))
    yield HealthLine("failed", _failed(facts), is_alarming=facts.failed > 0)
    yield HealthLine("oldest", _span(facts.age), is_alarming=(facts.age or 0.0) > OLD_SECONDS)
    yield HealthLine("drain rate", "—" if facts.rate is None else f"{facts.rate:,.0f}/s")
    yield HealthLine("replica lag", _lag(facts), is_alarming=(facts.lag or 0.0) > LAG_SECONDS)
    yield HealthLine("gaps", _gaps(facts), is_alarming=facts.gaps > 0)


def _of_many(sites: Sequence[SiteFacts]) -> Iterator[HealthLine]:
    """A line each, and then what needs a look."""
    for facts in sorted(sites, key=lambda facts: (WORST_FIRST.index(facts.status), facts.site)):
        words = f"{_why(facts)}; {facts.queued:,} buffered, {facts.processed:,} processed, last run {_ago(facts)}"
        yield HealthLine(facts.site, _why(facts) if facts.redis else words, is_alarming=_is_down(facts))
    for facts in sites:
        for line in _of_one(facts):
            if line.is_alarming and line.name != "status":
                yield HealthLine(f"{facts.site}: {line.name}", line.value, is_alarming=True)


def _for_programs(sites: Sequence[SiteFacts]) -> dict[str, Any]:
    last = max((facts.last_run for facts in sites if facts.last_run is not None), default=None)
    processed = sum(facts.processed for facts in sites)
    return {
        "background_processor": {
            "status": _status(sites),
            "last_run": _time(last),
            "transactions_processed": processed,
        },
        "database": "away" if any(facts.database for facts in sites) else "ok",
        "redis": "away" if any(facts.redis for facts in sites) else "ok",
        "buffer_size": sum(facts.queued for facts in sites),
        "failed_transactions": sum(facts.failed for facts in sites),
    }


def _gauges(sites: Sequence[SiteFacts]) -> Iterator[HealthGauge]:
    for facts in sites:
        site = {"site": facts.site}
        yield HealthGauge("up", float(not _is_down(facts)), site, "", "1 while the site is drained.")
        if facts.redis:
            continue
        yield HealthGauge("depth", facts.queued, site, "{entry}", "Entries that are not applied yet.")
        yield HealthGauge("limit", facts.limit, site, "{entry}", "How many there may be before producers are refused.")
        yield HealthGauge("failed", facts.failed, site, "{entry}", "Dead letters.")
        yield HealthGauge("age", facts.age or 0.0, site, "s", "How long the oldest entry has waited.")
        yield HealthGauge("processed", facts.processed, site, "{entry}", "Entries applied since Redis was empty.")
        yield HealthGauge("replica_lag", facts.lag or 0.0, site, "s", "How long the oldest commit waits for replicas.")
        yield HealthGauge("pending", facts.pending, site, "{entry}", "Commits that replicas have not confirmed.")
        yield HealthGauge("lost", facts.lost, site, "{entry}", "Entries lost with Redis, of all reported gaps.")


def _status(sites: Sequence[SiteFacts]) -> str:
    return min((facts.status for facts in sites), key=WORST_FIRST.index)


def _is_down(facts: SiteFacts) -> bool:
    return facts.status in WORST_FIRST[:3]


def _is_full(facts: SiteFacts) -> bool:
    return facts.queued >= FULL_SHARE * facts.limit


def _why(facts: SiteFacts) -> str:
    if facts.redis:
        return f"redis away for {_span(facts.away)}: {facts.redis}"
    if facts.status == "stopped":
        return "stopped: nobody drains it; see windlass active and windlass doctor"
    return f"database away: {facts.database}" if facts.database else facts.status


def _failed(facts: SiteFacts) -> str:
    return f"{facts.failed:,}; see windlass buffer dead" if facts.failed else "0"


def _lag(facts: SiteFacts) -> str:
    return f"{_span(facts.lag)}, {facts.pending:,} commits" if facts.pending else "none"


def _gaps(facts: SiteFacts) -> str:
    return f"{facts.gaps:,}, {facts.lost:,} lost; see windlass buffer gaps" if facts.gaps else "none"


def _ago(facts: SiteFacts) -> str:
    return "never" if facts.last_run is None else f"{_span(max(0.0, facts.now - facts.last_run))} ago"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "—"
    if seconds < 120.0:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200.0 else f"{seconds / 3600:.1f} h"


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
