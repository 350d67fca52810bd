"""What each feed has where: worked out for coverages that are new, as it was for the others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from msgspec.structs import replace

from windlass_entities.atlas import Atlas
from windlass_entities.engine.inputs import Inputs
from windlass_entities.engine.loading import Tree
from windlass_entities.engine.planning import Order, Reach, is_shown_otherwise, reach
from windlass_entities.engine.say import Say, go_on
from windlass_entities.engine.state import State
from windlass_entities.facts import FeedFacts
from windlass_entities.grouping import Held
from windlass_entities.indexes import coverage_path
from windlass_entities.members import Members
from windlass_entities.ranges import Coverage


class Lost(Exception):
    """The kept input of a feed is damaged.  Its contributions can only come from its file."""

    def __init__(self, feed: str) -> None:
        super().__init__(f"the kept input of {feed} is damaged")
        self.feed = feed


@dataclass(frozen=True, slots=True)
class Holdings:
    """Of all feeds, sorted by name: their facts, complete now, and their contributions."""

    facts: dict[str, FeedFacts]
    members: dict[str, Members]


def contributions(inputs: Inputs, before: State, tree: Tree | None, atlas: Atlas, say: Say) -> Holdings:
    """Raises Lost, Cancelled."""
    facts: dict[str, FeedFacts] = {}
    members: dict[str, Members] = {}
    for number, feed in enumerate(sorted(inputs.facts)):
        known = before.members.get(feed)
        if feed in inputs.coverages or known is None or known.atlas != atlas.digest:
            go_on(say)
            say.progress(number, len(inputs.facts))
            known = atlas.members(_coverage(feed, inputs, tree))
        members[feed] = known
        facts[feed] = replace(inputs.facts[feed], unattributed_ips=int(known.unattributed))
    say.progress(len(facts), len(facts))
    return Holdings(facts, members)


def _coverage(feed: str, inputs: Inputs, tree: Tree | None) -> Coverage:
    try:
        data = inputs.coverages[feed] if feed in inputs.coverages or tree is None else tree.read(coverage_path(feed))
        if hashlib.sha256(data).hexdigest() == inputs.facts[feed].coverage_sha256:
            return Coverage.from_bytes(data)
    except (OSError, ValueError):
        pass
    raise Lost(feed)


def reached(before: State, after: Holdings, order: Order) -> Reach:
    """The pages that must be built: where a feed was or is that is shown otherwise or has other contributions."""
    if order.is_whole:
        return Reach(None, None)
    held: list[Held] = []
    for feed in before.facts.keys() | after.facts.keys():
        was, now = before.members.get(feed), after.members.get(feed)
        if now is not was or is_shown_otherwise(before.facts.get(feed), after.facts.get(feed)):
            held += [each for each in (was, now) if each is not None]
    return reach(held, order.countries, order.asns)
