"""What tasks of this plugin are asked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

FEED = r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)"
"""It becomes part of a path."""
Feed = Annotated[str, Meta(max_length=100, pattern=FEED, description="The name of a feed, as the catalogue has it.")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)", description="Two capital letters, such as US.")]
Asn = Annotated[int, Meta(ge=1, le=4_294_967_295, description="The number of an autonomous system.")]
MOST = 10_000


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to say."""


class Feeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    feeds: Annotated[list[Feed], Meta(min_length=1, max_length=MOST)]

    def merged(self, other: Feeds) -> Feeds:
        return Feeds(sorted({*self.feeds, *other.feeds}))


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Pages of these are written anew, wherever they are; of a feed, all that it is on."""

    feeds: Annotated[list[Feed], Meta(max_length=MOST)] = []
    countries: Annotated[list[Country], Meta(max_length=MOST)] = []
    asns: Annotated[list[Asn], Meta(max_length=MOST)] = []

    def __bool__(self) -> bool:
        return bool(self.feeds or self.countries or self.asns)

    def merged(self, other: Selection) -> Selection:
        return Selection(
            feeds=sorted({*self.feeds, *other.feeds}),
            countries=sorted({*self.countries, *other.countries}),
            asns=sorted({*self.asns, *other.asns}),
        )

    def in_words(self) -> str:
        """ "3 feeds, US, AS13335"."""
        asns = [f"AS{number}" for number in self.asns]
        return ", ".join(
            words
            for words in (listed(self.feeds, "feeds"), listed(self.countries, "countries"), listed(asns, "ASNs"))
            if words
        )


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    repair: bool = False
    """What is found is repaired, or rebuilt, as far as that may be done unasked."""

    def merged(self, other: Check) -> Check:
        return Check(self.repair or other.repair)


class OneFeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    feed: Feed


def listed(names: list[str], noun: str) -> str:
    """A few by name, many by number."""
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} {noun}"
