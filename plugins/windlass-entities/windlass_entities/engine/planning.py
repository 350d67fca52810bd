"""Decides how much there is to do, and which pages a change reaches.  No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from windlass_entities.facts import FeedFacts
from windlass_entities.grouping import Held, country_number, country_numbers


@dataclass(frozen=True, slots=True)
class Order:
    """What a computation is asked for.

    `look`: feeds whose files are looked at (None: all).  `recount`: of them, those whose contributions are worked out
    from their coverage even when that is as it was (None: all).  `countries`, `asns`: pages to build even when no feed
    reaches them.  `is_whole`: all pages.  `settle`: feeds that get
    the health class of the moment (None: all).  `extra`: paths to take out, if nothing belongs there.
    """

    look: frozenset[str] | None = frozenset()
    recount: frozenset[str] | None = frozenset()
    countries: Collection[str] = ()
    asns: Collection[int] = ()
    is_whole: bool = False
    settle: frozenset[str] | None = frozenset()
    extra: frozenset[str] = frozenset()
    stage: str = "rebuilding final payloads"

    @property
    def is_forced(self) -> bool:
        """Files are built and compared as they lie there, even if no input changed."""
        some = (self.recount is None or self.recount, self.countries, self.asns, self.extra)
        return self.is_whole or any(some)

    def also(self, feeds: Collection[str]) -> Order:
        """The same with these feeds looked at and worked out anew."""
        look = None if self.look is None else self.look.union(feeds)
        recount = None if self.recount is None else self.recount.union(feeds)
        return replace(self, look=look, recount=recount)


def mended(order: Order, damaged: Collection[str], is_there: bool) -> Order:
    """The order as it must be when the published tree is not there whole.

    With no tree at all everything is built.  A damaged one says neither which pages nor which feeds there are, so all
    files are looked at and all pages built and compared, but only feeds that are damaged are worked out anew.
    """
    if is_there:
        return order
    return replace(order.also(damaged), look=None, is_whole=True)


class Reach(NamedTuple):
    """Pages to build: sorted numbers of countries and of ASNs; None is all of them."""

    countries: NDArray[np.int64] | None
    asns: NDArray[np.int64] | None

    @property
    def is_whole(self) -> bool:
        return self.countries is None


def reach(holdings: Iterable[Held], countries: Collection[str] = (), asns: Collection[int] = ()) -> Reach:
    """Pages of everything that is held, and of the countries and ASNs that are named."""
    held = list(holdings)
    codes = [country_numbers(each.country) for each in held]
    named = np.array([country_number(code) for code in countries], np.int64)
    numbered = np.array(list(asns), np.int64)
    return Reach(
        _without_none(np.unique(np.concatenate([named, *codes]))),
        _without_none(np.unique(np.concatenate([numbered, *(each.asn for each in held)]))),
    )


def _without_none(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    rest: NDArray[np.int64] = numbers[numbers != 0]
    return rest


def is_shown_otherwise(before: FeedFacts | None, after: FeedFacts | None) -> bool:
    """Whether pages that list the feed say something else of it now."""
    if before is None or after is None:
        return before is not after
    return before.shown != after.shown
