"""Pages of countries and ASNs: what feeds have there.

Every sum is one over feeds: an address that two feeds list counts twice.  The order of all lists is by addresses, the
most first, then by name (or number).  Thousands of pages are built at once: the lines of all of them are made first,
column by column, and each page is a few slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from windlass_entities.facts import FeedFacts
from windlass_entities.grouping import Groups, Rows, country_code, grouped, having, take
from windlass_entities.indexes import SCHEMA_VERSION, AsnEntry, CountryEntry, digest

TOP = 3
"""Categories that a page names as its top ones."""
Line = TypeVar("Line")


class FeedLine(msgspec.Struct, frozen=True, gc=False):
    feed: str
    category: str
    maintainer: str
    attributed_ips: int
    unique_ips: int
    health: str
    last_change: str | None


class CategoryLine(msgspec.Struct, frozen=True, gc=False):
    category: str
    feeds: int
    attributed_ips: int


class MaintainerLine(msgspec.Struct, frozen=True, gc=False):
    maintainer: str
    feeds: int
    attributed_ips: int


class AsnLine(msgspec.Struct, frozen=True, gc=False):
    asn: int
    name: str | None
    feeds: int
    attributed_ips: int


class CountryLine(msgspec.Struct, frozen=True, gc=False):
    code: str
    feeds: int
    attributed_ips: int


class CountryTotals(msgspec.Struct, frozen=True, gc=False):
    feeds: int
    asns: int
    attributed_ips: int
    addresses: int
    """Of the country, by the table."""


class AsnTotals(msgspec.Struct, frozen=True, gc=False):
    feeds: int
    countries: int
    attributed_ips: int
    addresses: int


class CountryPage(msgspec.Struct, frozen=True):
    schema_version: int
    code: str
    totals: CountryTotals
    top_categories: list[str]
    categories: list[CategoryLine]
    maintainers: list[MaintainerLine]
    feeds: list[FeedLine]
    asns: list[AsnLine]


class AsnPage(msgspec.Struct, frozen=True):
    schema_version: int
    asn: int
    name: str | None
    totals: AsnTotals
    top_categories: list[str]
    categories: list[CategoryLine]
    maintainers: list[MaintainerLine]
    feeds: list[FeedLine]
    countries: list[CountryLine]


class Places(NamedTuple):
    """What the tables say about countries and ASNs."""

    asn_name: Callable[[int], str | None]
    country_addresses: Callable[[str], int]
    asn_addresses: Callable[[int], int]


class Slices(NamedTuple):
    """Of one page: its key, its lines, and the sum over its feeds."""

    key: int
    feeds: list[FeedLine]
    categories: list[CategoryLine]
    maintainers: list[MaintainerLine]
    others: list[Any]
    attributed_ips: int


def country_pages(
    rows: Rows, facts: Sequence[FeedFacts], places: Places, wanted: NDArray[np.int64] | None = None
) -> Iterator[tuple[CountryEntry, bytes]]:
    """Pages of the `wanted` countries (sorted numbers; None: all) that feeds have something in, in their order.

    `facts` are those of the feeds that `rows` were joined from, sorted by name.
    """
    rows = take(rows, rows.country != 0) if wanted is None else having(rows, rows.country, wanted)
    names = {number: places.asn_name(number) for number in np.unique(rows.asn).tolist()}

    def asn_lines(groups: Groups) -> list[AsnLine]:
        numbers = groups.part.tolist()
        named = [names[number] for number in numbers]
        return list(map(AsnLine, numbers, named, groups.size.tolist(), groups.total.tolist()))

    encoder = msgspec.json.Encoder()
    for each in _slices(rows, rows.country, rows.asn, facts, asn_lines):
        code = country_code(each.key)
        feeds, asns = len(each.feeds), len(each.others)
        totals = CountryTotals(feeds, asns, each.attributed_ips, places.country_addresses(code))
        page = CountryPage(
            SCHEMA_VERSION, code, totals, _top(each), each.categories, each.maintainers, each.feeds, each.others
        )
        data = encoder.encode(page) + b"\n"
        yield CountryEntry(code, feeds, asns, each.attributed_ips, digest(data)), data


def asn_pages(
    rows: Rows, facts: Sequence[FeedFacts], places: Places, wanted: NDArray[np.int64] | None = None
) -> Iterator[tuple[AsnEntry, bytes]]:
    """As `country_pages`, for ASNs."""
    rows = take(rows, rows.asn != 0) if wanted is None else having(rows, rows.asn, wanted)
    codes = {number: country_code(number) for number in np.unique(rows.country).tolist() if number}

    def country_lines(groups: Groups) -> list[CountryLine]:
        coded = [codes[number] for number in groups.part.tolist()]
        return list(map(CountryLine, coded, groups.size.tolist(), groups.total.tolist()))

    encoder = msgspec.json.Encoder()
    for each in _slices(rows, rows.asn, rows.country, facts, country_lines):
        name, feeds, countries = places.asn_name(each.key), len(each.feeds), len(each.others)
        totals = AsnTotals(feeds, countries, each.attributed_ips, places.asn_addresses(each.key))
        page = AsnPage(
            SCHEMA_VERSION,
            each.key,
            name,
            totals,
            _top(each),
            each.categories,
            each.maintainers,
            each.feeds,
            each.others,
        )
        data = encoder.encode(page) + b"\n"
        yield AsnEntry(each.key, name, feeds, countries, each.attributed_ips, digest(data)), data


def _top(each: Slices) -> list[str]:
    return [line.category for line in each.categories[:TOP]]


def _slices(
    rows: Rows,
    key: NDArray[np.int64],
    other: NDArray[np.int64],
    facts: Sequence[FeedFacts],
    other_lines: Callable[[Groups], list[Any]],
) -> Iterator[Slices]:
    """The pages along `key`, each with the lines of what is in it along `other` and by feed."""
    feeds = grouped(key, rows.feed, rows.count)
    known = other != 0
    others = grouped(key[known], other[known], rows.count[known])
    categories, category_names = _by_label(feeds, [each.category for each in facts])
    maintainers, maintainer_names = _by_label(feeds, [each.maintainer for each in facts])
    lines: list[tuple[Groups, list[Any]]] = [
        (feeds, _feed_lines(feeds, facts)),
        (categories, _label_lines(CategoryLine, categories, category_names)),
        (maintainers, _label_lines(MaintainerLine, maintainers, maintainer_names)),
        (others, other_lines(others)),
    ]
    keys, starts = np.unique(feeds.key, return_index=True)
    sums = np.add.reduceat(feeds.total, starts).tolist() if len(starts) else []
    cuts = [(every, *groups.bounds(keys)) for groups, every in lines]
    for at, number in enumerate(keys.tolist()):
        here = [every[begin[at] : end[at]] for every, begin, end in cuts]
        yield Slices(number, here[0], here[1], here[2], here[3], sums[at])


def _by_label(feeds: Groups, labels: Sequence[str]) -> tuple[Groups, list[str]]:
    """Sums by category or maintainer; their number is the place among all labels in order."""
    names = sorted(set(labels))
    place: Mapping[str, int] = {name: at for at, name in enumerate(names)}
    numbers = np.array([place[label] for label in labels], np.int64)
    return grouped(feeds.key, numbers[feeds.part] if len(numbers) else feeds.part, feeds.total), names


def _label_lines(line: Callable[[str, int, int], Line], groups: Groups, names: Sequence[str]) -> list[Line]:
    named = [names[number] for number in groups.part.tolist()]
    return list(map(line, named, groups.size.tolist(), groups.total.tolist()))


def _feed_lines(groups: Groups, facts: Sequence[FeedFacts]) -> list[FeedLine]:
    order = groups.part.tolist()
    changes = [None if each.last_change is None else f"{each.last_change:%Y-%m-%dT%H:%M:%SZ}" for each in facts]
    return [
        FeedLine(each.name, each.category, each.maintainer, total, each.unique_ips, each.health, changes[at])
        for at, each, total in zip(order, map(facts.__getitem__, order), groups.total.tolist(), strict=True)
    ]
