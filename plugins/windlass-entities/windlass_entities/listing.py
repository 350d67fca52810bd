"""Pages and feeds by name, for who looks for one: read of the published indexes, a part at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from windlass_entities.facts import FeedFacts
from windlass_entities.indexes import ASNS_INDEX, COUNTRIES_INDEX, FEEDS, AsnEntry, AsnsIndex, CountriesIndex
from windlass_entities.tree import Tree, open_tree

Sort = Literal["countries", "asns", "feeds"]


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after` is the `next` of the page before."""

    of: Annotated[Sort, Meta(description="What to list.")]
    contains: Annotated[str, Meta(max_length=100, description="Only with this in the code, number or name.")] = ""
    after: Annotated[str, Meta(max_length=100, description="Behind this code, number or name.")] = ""
    limit: Annotated[int, Meta(ge=1, le=500, description="At most so many.")] = 100


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a list.  `others`: of a country its ASNs, of an ASN its countries; `category` and so on: of a feed.

    `attributed_ips` of a feed are its distinct addresses.
    """

    key: str
    name: str | None = None
    feeds: int = 0
    others: int = 0
    attributed_ips: int = 0
    category: str = ""
    maintainer: str = ""
    health: str = ""
    last_change: datetime | None = None


class Entities(msgspec.Struct, frozen=True, kw_only=True):
    """By code, number or name; `next` is empty at the end."""

    generation: int
    entities: list[Entity]
    next: str = ""


class Listing:
    """The indexes of one generation are kept: who turns pages or types a search asks for the same again and again."""

    def __init__(self) -> None:
        self._kept: dict[Sort, tuple[Path, Any]] = {}

    def find(self, root: Path, search: Search) -> Entities:
        """Raises TreeTrouble when nothing is published, OSError and ValueError when an index can't be read."""
        with open_tree(root) as tree:
            rows = {"countries": self._countries, "asns": self._asns, "feeds": self._feeds}[search.of](tree, search)
            page = list(islice(rows, search.limit + 1))
            generation = tree.generation
        shown = page[: search.limit]
        return Entities(generation=generation, entities=shown, next=shown[-1].key if len(page) > search.limit else "")

    def _countries(self, tree: Tree, search: Search) -> Iterator[Entity]:
        index = self._index(tree, "countries", COUNTRIES_INDEX, CountriesIndex).countries
        wanted = search.contains.upper()
        for each in index[bisect_right(index, search.after, key=lambda each: each.code) :]:
            if wanted in each.code:
                yield Entity(key=each.code, feeds=each.feeds, others=each.asns, attributed_ips=each.attributed_ips)

    def _asns(self, tree: Tree, search: Search) -> Iterator[Entity]:
        index = self._index(tree, "asns", ASNS_INDEX, AsnsIndex).asns
        behind = int(search.after) if search.after.isdecimal() else 0
        matches = _asn_with(search.contains.casefold())
        for each in index[bisect_right(index, behind, key=lambda each: each.asn) :]:
            if matches(each):
                sums = {"feeds": each.feeds, "others": each.countries, "attributed_ips": each.attributed_ips}
                yield Entity(key=str(each.asn), name=each.name, **sums)

    def _feeds(self, tree: Tree, search: Search) -> Iterator[Entity]:
        """Only what is shown is read, however many there are."""
        names = sorted(name.removesuffix(".json") for name in tree.names(FEEDS) if name.endswith(".json"))
        wanted = search.contains.casefold()
        for name in _behind(names, search.after):
            if wanted in name.casefold():
                yield _feed(msgspec.json.decode(tree.read(f"{FEEDS}/{name}.json"), type=FeedFacts))

    def _index(self, tree: Tree, sort: Sort, path: str, form: Callable[..., Any]) -> Any:
        kept = self._kept.get(sort)
        if kept is None or kept[0] != tree.path:
            kept = self._kept[sort] = (tree.path, msgspec.json.decode(tree.read(path), type=form))
        return kept[1]


def _asn_with(wanted: str) -> Callable[[AsnEntry], bool]:
    number = wanted.removeprefix("as")
    return lambda each: wanted in (each.name or "").casefold() or (number.isdecimal() and number in str(each.asn))


def _behind(names: Sequence[str], after: str) -> Iterable[str]:
    return names[bisect_right(names, after) :]


def _feed(facts: FeedFacts) -> Entity:
    return Entity(
        key=facts.name,
        attributed_ips=facts.unique_ips,
        category=facts.category,
        maintainer=facts.maintainer,
        health=facts.health,
        last_change=facts.last_change,
    )
