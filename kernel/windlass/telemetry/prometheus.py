"""Metrics as Prometheus reads them: the names are OpenTelemetry's, translated as its specification says.

By the Prometheus project's own client: OpenTelemetry's exporter for it is a beta that needs the whole SDK for a scrape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, cast

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from windlass.telemetry.measuring import BOUNDS, Distribution, Family, Sort

CONTENT_TYPE = CONTENT_TYPE_LATEST
UNITS = {"s": "seconds", "By": "bytes"}
FAMILIES = {Sort.COUNTER: CounterMetricFamily, Sort.GAUGE: GaugeMetricFamily}


def text(families: Sequence[Family]) -> bytes:
    """The page of a scrape: these, and what the process takes of its machine."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Given(families))
    return generate_latest(registry)


def name_of(family: Family) -> str:
    """As a query names it; a histogram adds `_bucket`, `_count` and `_sum`."""
    words = [family.name.replace(".", "_"), UNITS.get(family.unit, ""), "total" if family.sort is Sort.COUNTER else ""]
    return "_".join(filter(None, words))


class _Given(Collector):
    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return map(_metric, self._families)


def _metric(family: Family) -> Metric:
    labels = [label.replace(".", "_") for label in (family.points[0].labels if family.points else ())]
    name = name_of(family)
    if family.sort is Sort.HISTOGRAM:
        histogram = HistogramMetricFamily(name, family.words, labels=labels)
        for point in family.points:
            assert isinstance(point.value, Distribution)
            histogram.add_metric(list(point.labels.values()), _buckets(point.value), point.value.total)
        return histogram
    metric: Any = FAMILIES[family.sort](name, family.words, labels=labels)
    for point in family.points:
        metric.add_metric(list(point.labels.values()), point.value)
    return cast(Metric, metric)


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    sums = accumulate(distribution.counts)
    return list(zip([*(repr(bound) for bound in BOUNDS), "+Inf"], sums, strict=True))
