"""Takes the inputs: what the catalogue and the feeds' files say now, on top of what was accepted before."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from windlass_entities.engine.loading import Tree
from windlass_entities.engine.planning import Order
from windlass_entities.engine.say import Say, go_on
from windlass_entities.engine.sources import Sources
from windlass_entities.engine.state import State
from windlass_entities.facts import NOTHING, FeedFacts, accepted, described, forgotten, missing, settled
from windlass_entities.health import Thresholds
from windlass_entities.indexes import coverage_path
from windlass_entities.inputs import Catalogue
from windlass_entities.ranges import Coverage


@dataclass(slots=True)
class Inputs:
    """`facts`: of all feeds, as they are from now on.  `coverages`: of those whose contributions must be worked out."""

    facts: dict[str, FeedFacts] = field(default_factory=dict)
    coverages: dict[str, bytes] = field(default_factory=dict)
    withdrawn: list[str] = field(default_factory=list)

    def changed(self, state: State) -> list[str]:
        """Feeds whose facts are others now, or that are new."""
        return [feed for feed, facts in self.facts.items() if state.facts.get(feed) != facts]


class Taking:
    """One pass over the inputs."""

    def __init__(self, sources: Sources, thresholds: Thresholds, now: datetime, say: Say) -> None:
        self._sources, self._thresholds, self._now, self._say = sources, thresholds, now, say

    def take(self, order: Order, state: State, tree: Tree | None) -> Inputs:
        """Raises Unusable for a catalogue that can't be read, Cancelled."""
        catalogue = self._sources.read_catalogue()
        inputs = Inputs()
        look = _known(order.look, catalogue, state)
        recount = _known(order.recount, catalogue, state)
        settle = _known(order.settle, catalogue, state)
        for feed in sorted(catalogue.keys() | (state.facts.keys() & _unclear(catalogue))):
            go_on(self._say)
            before = state.facts.get(feed)
            if before is None and feed not in look:
                continue
            known = described(before, catalogue[feed]) if feed in catalogue else before
            assert known is not None
            if feed in recount or before is None:
                known = self._kept(known, tree, inputs)
            after = self._looked(known, inputs, feed in recount) if feed in look else known
            is_due = feed in settle or after != before
            inputs.facts[feed] = settled(after, self._thresholds, self._now) if is_due else after
        inputs.withdrawn = sorted(state.facts.keys() - inputs.facts.keys())
        self._tell(order.look, catalogue, state, inputs)
        return inputs

    def _kept(self, facts: FeedFacts, tree: Tree | None, inputs: Inputs) -> FeedFacts:
        """Puts the coverage that was accepted last into `inputs`, if it is whole.

        Facts that were lost begin again from it: the feed keeps its addresses even if its file is gone.
        """
        data = _read(tree, coverage_path(facts.name))
        sha256 = hashlib.sha256(data).hexdigest()
        if facts.source is None and sha256 != facts.coverage_sha256:
            try:
                facts = replace(facts, coverage_sha256=sha256, unique_ips=Coverage.from_bytes(data).unique)
            except ValueError:
                data, sha256 = NOTHING, facts.coverage_sha256
        if sha256 == facts.coverage_sha256:
            inputs.coverages[facts.name] = data
        return facts

    def _looked(self, before: FeedFacts, inputs: Inputs, recount: bool) -> FeedFacts:
        feed = before.name
        is_lost = recount and feed not in inputs.coverages
        found = self._sources.look(before, self._say, again=is_lost)
        if found.coverage is not None and found.accepted is not None:
            if is_lost or found.accepted.coverage_sha256 != before.coverage_sha256:
                inputs.coverages[feed] = found.coverage
            return accepted(before, found.accepted)
        if is_lost:
            inputs.coverages[feed] = NOTHING
            return forgotten(before, f"its kept input is damaged, and its file is {found.why}")
        return missing(before, found.why) if found.why else replace(before, unavailable="")

    def _tell(self, asked: Collection[str] | None, catalogue: Catalogue, state: State, inputs: Inputs) -> None:
        for problem in catalogue.problems:
            self._say.step(f"catalogue: {problem}", feed=problem.name)
        for feed in inputs.withdrawn:
            self._say.step(f"{feed} is no longer in the catalogue: it is withdrawn", feed=feed)
        for feed in sorted(set(asked or ()) - catalogue.keys() - state.facts.keys()):
            self._say.step(f"{feed} is not in the catalogue: nothing to do for it", feed=feed)
        for feed, facts in inputs.facts.items():
            before = state.facts.get(feed)
            if facts.unavailable and (before is None or before.unavailable != facts.unavailable):
                self._say.step(f"{feed} is unavailable, its last good state stays: {facts.unavailable}", feed=feed)


def _read(tree: Tree | None, path: str) -> bytes:
    try:
        return b"" if tree is None else tree.read(path)
    except OSError:
        return b""


def _known(wanted: Iterable[str] | None, catalogue: Catalogue, state: State) -> set[str]:
    known = catalogue.keys() | state.facts.keys()
    return set(known) if wanted is None else known & set(wanted)


def _unclear(catalogue: Catalogue) -> set[str]:
    """Feeds whose entry can't be used: they are described as before, and not withdrawn."""
    return {problem.name for problem in catalogue.problems}
