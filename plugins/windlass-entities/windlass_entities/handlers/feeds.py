"""The kinds RecheckFeed and ReprocessFeed: what is wrong with a feed itself is mended beside the maintenance of pages.

They run in the pool `feeds`: a file that is not there yet must not hold up pages of others.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from windlass import BlockingContext, Outcome, Rejected, Retry, RetryPolicy, Success

from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.handlers.refresh import RefreshEntities
from windlass_entities.payloads import Feeds, OneFeed
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import NoTree

if TYPE_CHECKING:
    from windlass_entities.engine import Draft, Engine, Say


class FeedHandler(EntityHandler[OneFeed]):
    """One task at a time for each feed."""

    def __init__(self, settings: EntitiesSettings) -> None:
        super().__init__(settings)
        self.pool = settings.feeds_pool

    def coalesce_key(self, payload: OneFeed) -> str | None:
        return payload.feed

    def why_not(self, ctx: BlockingContext, feed: str) -> str:
        """Why the file of a feed can't be taken now; empty when it can.  Raises `Rejected`."""
        from windlass_entities.accepted import read_standing
        from windlass_entities.engine.sources import Unusable
        from windlass_entities.facts import FeedFacts
        from windlass_entities.handlers.passes import sources_of
        from windlass_entities.handlers.saying import Saying

        sources, facts = sources_of(self.settings), FeedFacts(name=feed)
        try:
            known = sources.read_catalogue()
        except Unusable as error:
            return str(error)
        if feed not in known:
            raise Rejected(f"feed: {feed} is not in the catalogue {self.settings.catalogue}: add it there")
        with suppress(NoTree):
            facts = read_standing(Path(self.settings.root)).facts.get(feed, facts)
        return sources.look(facts, Saying(ctx), again=True).why


class RecheckFeed(FeedHandler):
    """Looks at a file that was absent, unreadable or cut off, until it can be taken: then its pages are refreshed."""

    kind = "RecheckFeed"
    retry = RetryPolicy(attempts=5, pause=30.0)

    def title(self, payload: OneFeed) -> str:
        return f"look at {payload.feed} again"

    def run(self, ctx: BlockingContext, payload: OneFeed) -> Outcome:
        self.check_configured()
        ctx.stage("planning")
        if why := self.why_not(ctx, payload.feed):
            return self._not_yet(ctx, payload.feed, why)
        child = ctx.enqueue(RefreshEntities.kind, Feeds([payload.feed]), name="refresh", trigger=ctx.task.trigger)
        ctx.step(f"{payload.feed} can be taken again: made task {child} ({RefreshEntities.kind})", task=child)
        ctx.stage("clean")
        return Success({"feed": payload.feed, "task": child})

    def _not_yet(self, ctx: BlockingContext, feed: str, why: str) -> Outcome:
        """It has done its work when it has looked often enough: the watcher and the next check go on."""
        if ctx.task.retries < self.retry.attempts:
            return Retry(f"{feed}: {why}")
        ctx.step(f"{feed}: {why}; its last good state stays")
        return Success({"feed": feed, "unavailable": why})


class ReprocessFeed(FeedHandler):
    """What was kept of a feed is damaged: its file is accepted anew, whether it has changed or not."""

    kind = "ReprocessFeed"

    def title(self, payload: OneFeed) -> str:
        return f"accept {payload.feed} anew"

    def run(self, ctx: BlockingContext, payload: OneFeed) -> Outcome:
        from windlass_entities.handlers.passes import run_pass

        self.check_configured()

        def compute(engine: Engine, say: Say) -> Draft | None:
            return engine.rebuild_selected([payload.feed], [], [], say)

        return run_pass(ctx, self.settings, compute)
