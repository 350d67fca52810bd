"""Durations as they are kept, and as Prometheus reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from windlass.telemetry.measuring import BOUNDS, Distribution, Durations, Family, Point, Sort
from windlass.telemetry.prometheus import name_of, text


def test_a_duration_counts_in_the_first_bucket_that_holds_it() -> None:
    spread = Distribution()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[-1] + 1):
        spread.add(seconds)
    assert (spread.counts[0], spread.counts[1], spread.counts[-1], sum(spread.counts)) == (2, 1, 1, 4)
    assert (spread.least, spread.largest) == (0.0, BOUNDS[-1] + 1)


def test_each_value_of_the_labels_has_a_distribution_of_its_own() -> None:
    durations = Durations()
    durations["a",].add(1.0)
    durations["a",].add(1.0)
    durations["b",].add(1.0)
    assert {key: sum(spread.counts) for key, spread in durations.items()} == {("a",): 2, ("b",): 1}


def test_a_scrape_has_the_names_and_numbers_of_each_family() -> None:
    spread = Distribution()
    spread.add(0.02)
    spread.add(0.2)
    odd = 'a "quoted"\\ kind\n'
    families = [
        Family("windlass.tasks.lost", Sort.COUNTER, "{task}", "Lost.", (Point({"windlass.pool": odd}, 3),)),
        Family("windlass.drain.lag", Sort.GAUGE, "s", "Lag.", (Point({}, 1.5),)),
        Family("windlass.pickup.duration", Sort.HISTOGRAM, "s", "Pickup.", (Point({"windlass.pool": "p"}, spread),)),
        Family("windlass.nothing.yet", Sort.COUNTER, "{task}", "Nothing.", ()),
    ]
    assert [name_of(family) for family in families] == [
        "windlass_tasks_lost_total",
        "windlass_drain_lag_seconds",
        "windlass_pickup_duration_seconds",
        "windlass_nothing_yet_total",
    ]
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text(families).decode())
        for sample in family.samples
    }
    assert found["windlass_tasks_lost_total", odd] == 3
    assert found[("windlass_drain_lag_seconds",)] == 1.5
    assert found["windlass_pickup_duration_seconds_bucket", "0.01", "p"] == 0
    assert found["windlass_pickup_duration_seconds_bucket", "0.025", "p"] == 1
    assert found["windlass_pickup_duration_seconds_bucket", "+Inf", "p"] == 2
    assert found["windlass_pickup_duration_seconds_sum", "p"] == 0.22
