"""Metrics as OTLP: the same families, sent at an interval (OTEL_METRIC_EXPORT_INTERVAL, 60 s)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version

import structlog
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from windlass.errors import BootError
from windlass.telemetry.exporting import CLOSE_SECONDS, METRICS, make, resource
from windlass.telemetry.measuring import BOUNDS, Distribution, Family, Point, Sort

log = structlog.get_logger()

CUMULATIVE = AggregationTemporality.CUMULATIVE
Read = Callable[[], Awaitable[Sequence[Family]]]


class Push:
    """`run` sends what `read` gives, again and again; `close` sends it for the last time."""

    def __init__(self, exporters: list[str], environ: Mapping[str, str], node: str) -> None:
        self._exporters: list[MetricExporter] = make(METRICS, exporters, environ)
        self._resource = resource(environ, node)
        self._scope = InstrumentationScope("windlass", version("windlass-kernel"))
        self._began = time.time_ns()
        self._interval = _interval(environ.get("OTEL_METRIC_EXPORT_INTERVAL") or "60000")

    async def run(self, read: Read) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._send(await read(), self._interval)
            except Exception:
                log.exception("metrics could not be sent")

    async def close(self, read: Read) -> None:
        """Takes no longer than `CLOSE_SECONDS` after the read, whatever the receiver does."""
        await self._send(await read(), CLOSE_SECONDS)
        for exporter in self._exporters:
            exporter.shutdown()

    async def _send(self, families: Sequence[Family], seconds: float) -> None:
        data = self._data(families)
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def export() -> None:
            for exporter in self._exporters:
                exporter.export(data)
            with suppress(RuntimeError):  # it took too long, and the loop is closed
                loop.call_soon_threadsafe(sent.set)

        # A thread of its own, and a daemon: the loop's would be waited for at the end of the process.
        threading.Thread(target=export, name="metrics export", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                await sent.wait()
        except TimeoutError:
            log.warning("the receiver of metrics does not answer", seconds=seconds)

    def _data(self, families: Sequence[Family]) -> MetricsData:
        now = time.time_ns()
        metrics = [_metric(family, self._began, now) for family in families if family.points]
        scope = ScopeMetrics(self._scope, metrics, schema_url="")
        return MetricsData([ResourceMetrics(self._resource, [scope], schema_url="")])


def _interval(text: str) -> float:
    if not text.isdecimal() or int(text) == 0:
        raise BootError(f"OTEL_METRIC_EXPORT_INTERVAL must be milliseconds, not {text!r}")
    return int(text) / 1_000


def _metric(family: Family, began: int, now: int) -> Metric:
    if family.sort is Sort.HISTOGRAM:
        spread = Histogram([_spread(point, began, now) for point in family.points], CUMULATIVE)
        return Metric(family.name, family.words, family.unit, spread)
    points = [NumberDataPoint(point.labels, began, now, _number(point)) for point in family.points]
    data = Gauge(points) if family.sort is Sort.GAUGE else Sum(points, CUMULATIVE, is_monotonic=True)
    return Metric(family.name, family.words, family.unit, data)


def _number(point: Point) -> float:
    assert not isinstance(point.value, Distribution)
    return point.value


def _spread(point: Point, began: int, now: int) -> HistogramDataPoint:
    value = point.value
    assert isinstance(value, Distribution)
    counts = list(value.counts)
    return HistogramDataPoint(
        point.labels, began, now, sum(counts), value.total, counts, BOUNDS, value.least, value.largest
    )
