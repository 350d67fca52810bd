"""The engine: what a task asks for becomes a draft.  Nothing here publishes, and nothing changes what is published."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from windlass_entities.atlas import Atlas
from windlass_entities.engine.contributions import Holdings, Lost, contributions
from windlass_entities.engine.draft import Draft
from windlass_entities.engine.drafting import Base, drafted
from windlass_entities.engine.inputs import Inputs, Taking
from windlass_entities.engine.loading import load
from windlass_entities.engine.planning import Order, mended
from windlass_entities.engine.say import Say, go_on
from windlass_entities.engine.sources import Sources
from windlass_entities.engine.state import State
from windlass_entities.findings import Targets
from windlass_entities.health import Thresholds
from windlass_entities.tree import NoTree, base_of, open_tree

REBUILD = Order(look=None, recount=None, is_whole=True)
REPAIRING = "repairing"


class Engine:
    """Computes drafts for one root.

    `staging` is a folder of this attempt alone, on the file system of the root; each draft gets a new one in it.
    All methods raise Unusable when the catalogue or a table can't be read, Cancelled when `say` says so, and
    TreeTrouble when the root can't be used, or nothing can be staged.
    """

    def __init__(
        self, root: Path, sources: Sources, thresholds: Thresholds, now: Callable[[], datetime], staging: Path
    ) -> None:
        self._root, self._sources, self._thresholds, self._now, self._staging = root, sources, thresholds, now, staging

    def refresh(self, feeds: Iterable[str], say: Say) -> Draft | None:
        """Looks at the files of the feeds.  None: neither a coverage nor anything else that is published changed."""
        return self._compute(Order(look=frozenset(feeds)), say)

    def rebuild(self, say: Say) -> Draft | None:
        """Works everything out anew, from the inputs that were accepted last and from files that changed since.

        What is published is compared as it lies there.  None: all of it is right.
        """
        return self._compute(REBUILD, say)

    def rebuild_selected(
        self, feeds: Collection[str], countries: Collection[str], asns: Collection[int], say: Say
    ) -> Draft | None:
        """As `rebuild`, for the contributions of these feeds with all their pages, and for the pages that are named."""
        chosen = frozenset(feeds)
        return self._compute(Order(look=chosen, recount=chosen, countries=countries, asns=asns), say)

    def repair(self, targets: Targets, say: Say) -> Draft | None:
        """As `rebuild_selected`, for what a check found.  None: there is nothing to repair any more."""
        if targets.everything:
            return self._compute(replace(REBUILD, stage=REPAIRING), say)
        order = Order(
            look=targets.feeds,
            recount=targets.feeds,
            settle=targets.feeds,
            countries=targets.countries,
            asns=targets.asns,
            # Of an index that can't be read nothing follows for its pages: all of them are compared.
            is_whole=targets.indexes,
            extra=targets.extra,
            stage=REPAIRING,
        )
        return self._compute(order, say)

    def settle_health(self, now: datetime, say: Say) -> Draft | None:
        """Gives feeds the classes that they have at `now`, without a look at their files.  None: no class moved."""
        return self._compute(Order(settle=None), say, now)

    def _compute(self, order: Order, say: Say, now: datetime | None = None) -> Draft | None:
        at = (now or self._now()).replace(microsecond=0)
        with self._base() as base:
            say.stage("planning" if base.tree is not None else "bootstrap")
            order = self._mended(order, base, say)
            taking = Taking(self._sources, self._thresholds, at, say)
            inputs = taking.take(order, base.state, base.tree)
            if not (order.is_forced or inputs.withdrawn or inputs.changed(base.state)):
                return None
            say.stage("scanning memberships")
            atlas = self._sources.atlas()
            if base.state.atlas != atlas.digest:
                _tell_of_tables(base.state, atlas, say)
            inputs, holdings = _held(order, inputs, base, atlas, taking, say)
            say.stage(order.stage)
            return drafted(order, inputs, holdings, base, atlas, self._staging, say, at)

    @contextmanager
    def _base(self) -> Iterator[Base]:
        try:
            with open_tree(self._root) as tree:
                yield Base(tree.generation, tree, load(tree))
        except NoTree:
            yield Base(base_of(self._root), None, State())

    def _mended(self, order: Order, base: Base, say: Say) -> Order:
        if base.state.damage:
            say.step(f"not as it was published: {base.state.damage[0]}", damage=list(base.state.damage[:20]))
        return mended(order, base.state.damaged_feeds, is_there=base.tree is not None and not base.state.damage)


def _tell_of_tables(before: State, atlas: Atlas, say: Say) -> None:
    """Of tables that nothing published was computed with."""
    if before.atlas:
        say.step("the tables are others now: the contributions of all feeds are worked out anew")
    for table, count in atlas.bad_rows.items():
        if count:
            lines = [str(problem) for problem in atlas.problems if problem.table == table]
            say.step(f"{table}: {count:,} rows of the table are worth a look", table=table, rows=lines[:20])


def _held(order: Order, inputs: Inputs, base: Base, atlas: Atlas, taking: Taking, say: Say) -> tuple[Inputs, Holdings]:
    """The contributions; a feed whose kept input is damaged gives them from its file."""
    while True:
        go_on(say)
        try:
            return inputs, contributions(inputs, base.state, base.tree, atlas, say)
        except Lost as lost:
            say.step(f"{lost}: its file is read again", feed=lost.feed)
            order = order.also({lost.feed})
            inputs = taking.take(order, base.state, base.tree)
