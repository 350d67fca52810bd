"""Pages from given contributions: sums, orders, and numbers that no machine word holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass_entities.facts import FeedFacts
from windlass_entities.grouping import country_code, country_number, grouped, join
from windlass_entities.indexes import digest
from windlass_entities.pages import Places, asn_pages, country_pages

PLACES = Places({1: "One", 2: "Two"}.get, lambda code: 1000, lambda asn: 500)


class Has(NamedTuple):
    country: Any
    asn: Any
    count: Any


def holding(*rows: tuple[str, int, int]) -> Has:
    counts = [count for _, _, count in rows]
    return Has(
        np.array([country.encode() for country, _, _ in rows], "S2"),
        np.array([asn for _, asn, _ in rows], np.int64),
        np.array(counts, object if any(count >= 1 << 63 for count in counts) else np.int64),
    )


def facts(name: str, category: str = "cloud", maintainer: str = "somebody") -> FeedFacts:
    return FeedFacts(name=name, category=category, maintainer=maintainer, unique_ips=99, health="healthy")


def pages(holdings: Mapping[str, Has], **more: FeedFacts) -> dict[str, Any]:
    known = [more.get(name, facts(name)) for name in sorted(holdings)]
    rows = join([holdings[name] for name in sorted(holdings)])
    found = {}
    entries: list[tuple[Any, bytes]] = [*country_pages(rows, known, PLACES), *asn_pages(rows, known, PLACES)]
    for entry, data in entries:
        assert entry.sha256 == digest(data)
        found[str(entry.key)] = json.loads(data)
    return found


def test_a_country_and_an_asn_mirror_each_other() -> None:
    found = pages({"one": holding(("DE", 1, 5), ("FR", 1, 7), ("FR", 2, 1)), "two": holding(("FR", 1, 10))})
    assert found["1"]["countries"] == [
        {"code": "FR", "feeds": 2, "attributed_ips": 17},
        {"code": "DE", "feeds": 1, "attributed_ips": 5},
    ]
    assert found["FR"]["asns"] == [
        {"asn": 1, "name": "One", "feeds": 2, "attributed_ips": 17},
        {"asn": 2, "name": "Two", "feeds": 1, "attributed_ips": 1},
    ]
    assert found["FR"]["totals"] == {"feeds": 2, "asns": 2, "attributed_ips": 18, "addresses": 1000}
    assert found["1"]["totals"] == {"feeds": 2, "countries": 2, "attributed_ips": 22, "addresses": 500}


def test_addresses_without_an_asn_count_for_the_country_only() -> None:
    found = pages({"one": holding(("", 1, 5), ("DE", 0, 7))})
    assert (found["DE"]["totals"]["attributed_ips"], found["DE"]["asns"]) == (7, [])
    assert (found["1"]["totals"]["attributed_ips"], found["1"]["countries"]) == (5, [])
    assert set(found) == {"DE", "1"}


def test_the_most_addresses_come_first_and_then_the_name() -> None:
    held = {name: holding(("DE", 3, count)) for name, count in (("d", 5), ("b", 9), ("c", 5), ("a", 1))}
    kinds = {"d": facts("d", "x", "M"), "b": facts("b", "z", "L"), "c": facts("c", "y", "M"), "a": facts("a", "w", "K")}
    page = pages(held, **kinds)["DE"]
    assert [line["feed"] for line in page["feeds"]] == ["b", "c", "d", "a"]
    assert [line["category"] for line in page["categories"]] == ["z", "x", "y", "w"]
    assert page["top_categories"] == ["z", "x", "y"]
    assert [(line["maintainer"], line["feeds"]) for line in page["maintainers"]] == [("M", 2), ("L", 1), ("K", 1)]
    assert page["asns"][0]["name"] is None


@pytest.mark.parametrize("count", [2**62, 2**63, 2**128])
def test_ipv6_is_counted_exactly(count: int) -> None:
    found = pages({"one": holding(("DE", 1, count)), "two": holding(("DE", 1, count + 1), ("DE", 2, 3))})
    assert found["DE"]["totals"]["attributed_ips"] == 2 * count + 4
    assert [line["feed"] for line in found["DE"]["feeds"]] == ["two", "one"]
    assert [line["attributed_ips"] for line in found["DE"]["asns"]] == [2 * count + 1, 3]


def test_only_wanted_pages_are_built_and_those_nobody_is_in_are_not() -> None:
    rows = join([holding(("DE", 1, 5), ("FR", 2, 7))])
    wanted = np.array(sorted(country_number(code) for code in ("FR", "US")), np.int64)
    assert [entry.code for entry, _ in country_pages(rows, [facts("one")], PLACES, wanted)] == ["FR"]
    assert [entry.asn for entry, _ in asn_pages(rows, [facts("one")], PLACES, np.array([], np.int64))] == []
    assert list(country_pages(join([]), [], PLACES)) == []


def test_countries_are_numbers_that_sort_as_they_do() -> None:
    codes = ["AA", "AZ", "DE", "ZA"]
    numbers = [country_number(code) for code in codes]
    assert numbers == sorted(numbers)
    assert [country_code(number) for number in numbers] == codes


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([1, 2, 2**61, 2**100]))))
def test_groups_are_what_a_dictionary_counts(rows: list[tuple[int, int, int]]) -> None:
    keys, parts = (np.array([row[at] for row in rows], np.int64) for at in (0, 1))
    groups = grouped(keys, parts, np.array([row[2] for row in rows], object))
    totals: dict[tuple[int, int], int] = {}
    for key, part, count in rows:
        totals[key, part] = totals.get((key, part), 0) + count
    expected = sorted((key, -total, part) for (key, part), total in totals.items())
    found = zip(groups.key.tolist(), (-groups.total).tolist(), groups.part.tolist(), strict=True)
    assert list(found) == expected
