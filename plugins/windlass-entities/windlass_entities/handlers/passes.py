"""How every kind publishes: computed beside the others, published alone.

A pass computes its draft from the generation that is current when it begins.  In the lane it may turn out that another
one was published meanwhile: then it computes again, where nobody can come in between.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from windlass import BlockingContext, BlockingLane, DocumentChanged, Failed, Outcome, Retry, Success

from windlass_entities.accepted import read_standing
from windlass_entities.engine import Cancelled, Draft, Engine, Say
from windlass_entities.engine.sources import Sources, Unusable
from windlass_entities.handlers.saying import WAITING, Saying
from windlass_entities.records import PUBLISHED, Moved, Publication, last_publication
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import MovedOn, NoTree, Published, Publisher, Superseded, TreeTrouble

LANE = "entities"
ABANDONED = 86_400.0
"""Seconds after which nobody publishes any more what was staged; who does so all the same computes it again."""

Compute = Callable[[Engine, Say], Draft | None]


def run_pass(ctx: BlockingContext, settings: EntitiesSettings, compute: Compute) -> Outcome:
    """Compute and publish.  What can't be done now is a `Retry` with what to mend; what is published stays."""
    one = Pass(ctx, settings, compute)
    try:
        return one.run()
    except Cancelled:
        return Failed("it was interrupted; what was published before it stays")
    except Superseded as error:
        return Retry(f"a newer writer has taken over: {error}")
    except (Unusable, TreeTrouble) as error:
        return Retry(str(error))
    finally:
        one.tidy()


class Pass:
    def __init__(self, ctx: BlockingContext, settings: EntitiesSettings, compute: Compute) -> None:
        self._ctx = ctx
        self._settings = settings
        self._root = Path(settings.root)
        self._say = Saying(ctx)
        self._staging = self._root / "staging"
        self._engine = engine_of(settings, self._staging / f"{ctx.task.id}.{ctx.task.attempt}")
        self._compute = compute

    def run(self) -> Outcome:
        draft = self._computed()
        if draft is None:
            return self._nothing_to_do()
        with self._ctx.lane(LANE, waiting=WAITING) as lane:
            publisher = Publisher(self._root, lane.fence, self._settings.grace)
            published = self._publish(publisher, lane, draft)
            # Before the next one comes in: what is remembered never goes back to an older generation.
            kept = None if published is None else self._remember(published)
        if kept is None:
            return self._nothing_to_do()
        self._say.stage("clean")
        # Nobody waits for the lane any more.  A newer writer ends it, and does the rest himself.
        with suppress(Superseded):
            for _ in publisher.settle():
                if self._say.cancelled():
                    break
        return Success(_result(kept))

    def tidy(self) -> None:
        """What this task has staged, in an attempt whose worker died too.

        A later attempt may be at work already, when this one's process slept: what that staged is left alone.  Tasks
        that ended with their workers never come back for theirs.
        """
        task = self._ctx.task
        for folder in self._staging.glob("*.*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > ABANDONED:
                    shutil.rmtree(folder, ignore_errors=True)
        for attempt in range(1, task.attempt + 1):
            shutil.rmtree(self._staging / f"{task.id}.{attempt}", ignore_errors=True)

    def _computed(self) -> Draft | None:
        self._say.stage("planning")
        return self._compute(self._engine, self._say)

    def _publish(self, publisher: Publisher, lane: BlockingLane, draft: Draft) -> Published | None:
        try:
            return self._switch(publisher, lane, draft)
        except MovedOn as error:
            self._say.step(f"{error}: it is computed again on top of that")
        again = self._computed()
        return None if again is None else self._switch(publisher, lane, again)

    def _switch(self, publisher: Publisher, lane: BlockingLane, draft: Draft) -> Published:
        self._say.stage("publishing")
        lane.check()
        published = publisher.publish(draft)
        self._say.step(
            f"generation {published.generation}: {draft.report.in_words()}",
            generation=published.generation,
            fence=lane.fence,
            written=published.written,
            removed=published.removed,
            seconds=round(published.seconds, 3),
            **{name: list(names) for name, names in _named(draft) if names},
        )
        return published

    def _nothing_to_do(self) -> Outcome:
        self._say.stage("clean")
        try:
            # In this order: what is published after the first is remembered after it, too, and goes before ours.
            (known, version), standing = last_publication(self._ctx.documents), read_standing(self._root)
        except NoTree:
            return Success({"published": False})
        if known is None or known.generation != standing.generation:
            # Whoever published it was lost before he could say so, or is about to.
            with suppress(DocumentChanged):
                self._remember(Published(standing.generation, 0, 0, 0.0), expected=version)
        return Success({"published": False, "generation": standing.generation})

    def _remember(self, published: Published, expected: int | None = None) -> Publication:
        standing, task = read_standing(self._root), self._ctx.task
        version = standing.version
        kept = Publication(
            generation=published.generation,
            at=datetime.now(UTC),
            task=task.id,
            kind=task.kind,
            trigger=task.trigger,
            seconds=round(published.seconds, 3),
            written=published.written,
            removed=published.removed,
            feeds=len(standing.facts),
            countries=version.countries if version else 0,
            asns=version.asns if version else 0,
            health=standing.health,
            transitions=[Moved(each.feed, each.before, each.after, each.at) for each in standing.transitions],
        )
        self._ctx.documents.put(PUBLISHED, kept, expected=expected)
        return kept


def engine_of(settings: EntitiesSettings, staging: Path) -> Engine:
    return Engine(Path(settings.root), sources_of(settings), settings.thresholds, lambda: datetime.now(UTC), staging)


def sources_of(settings: EntitiesSettings) -> Sources:
    return Sources(
        feeds=Path(settings.feeds),
        catalogue=Path(settings.catalogue),
        countries=Path(settings.countries),
        asns=Path(settings.asns),
        cache=Path(settings.root) / "atlas",
    )


def _named(draft: Draft) -> list[tuple[str, list[str]]]:
    moved = [f"{each.feed}: {each.before} → {each.after}" for each in draft.report.transitions]
    return [
        ("feeds", list(draft.report.feeds)[:50]),
        ("withdrawn", list(draft.report.withdrawn)[:50]),
        ("moved", moved),
    ]


def _result(kept: Publication) -> dict[str, object]:
    return {
        "published": True,
        "generation": kept.generation,
        "written": kept.written,
        "removed": kept.removed,
        "seconds": kept.seconds,
    }
