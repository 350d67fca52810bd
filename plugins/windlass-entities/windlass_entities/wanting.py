"""What the published tree does not know yet: the catalogue, the tables and the clock have moved on.  No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from windlass_entities.accepted import Standing
from windlass_entities.facts import FeedFacts, described, settled
from windlass_entities.findings import Finding
from windlass_entities.health import Thresholds
from windlass_entities.inputs import Catalogue


def described_otherwise(catalogue: Catalogue, known: Mapping[str, FeedFacts]) -> dict[str, str]:
    """Feeds of which the catalogue says something else now, or nothing any more, and what that is."""
    unclear = {problem.name for problem in catalogue.problems}
    found = {}
    for feed, facts in known.items():
        if feed not in catalogue and feed not in unclear:
            found[feed] = "it is no longer in the catalogue"
        elif feed in catalogue and described(facts, catalogue[feed]) != facts:
            found[feed] = "the catalogue describes it otherwise"
    return found


def newer(catalogue: Catalogue, atlas: str, standing: Standing) -> dict[str, str]:
    """By feed, or "" for all: what the configuration has that the tree has not.  `atlas`: the digest of the tables."""
    found = described_otherwise(catalogue, standing.facts)
    found |= {feed: "it is new in the catalogue" for feed in catalogue if feed not in standing.facts}
    if standing.atlas and atlas != standing.atlas:
        found[""] = "the tables of countries and ASNs are others"
    return found


def of_feeds(standing: Standing, thresholds: Thresholds, now: datetime) -> list[Finding]:
    """Feeds that can't be had, and those whose class is another by now."""
    found = []
    for feed, facts in standing.facts.items():
        if facts.unavailable:
            found.append(Finding("feed_unavailable", feed, facts.unavailable))
        if (after := settled(facts, thresholds, now).health) != facts.health:
            found.append(Finding("health_stale", feed, f"it is {after} by now, not {facts.health}"))
    return found
