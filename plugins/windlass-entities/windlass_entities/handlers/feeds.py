"""The kinds RecheckFeed and ReprocessFeed: what is wrong with a feed itself is mended beside the maintenance of pages.

They run in the pool `feeds`: a file that is not there yet must not hold up pages of others.
"""

from __future__ import annotations

from pathlib import Path

from windlass import BlockingContext, Outcome, Rejected, Retry, RetryPolicy, Success

from windlass_entities.accepted import read_standing
from windlass_entities.engine import Draft, Engine
from windlass_entities.engine.sources import Look, Unusable
from windlass_entities.facts import FeedFacts
from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.handlers.passes import run_pass, sources_of
from windlass_entities.handlers.refresh import RefreshEntities
from windlass_entities.handlers.saying import Saying
from windlass_entities.payloads import Feeds, OneFeed
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import NoTree


class FeedHandler(EntityHandler[OneFeed]):
    """One task at a time for each feed."""

    def __init__(self, settings: EntitiesSettings) -> None:
        super().__init__(settings)
        self.pool = settings.feeds_pool

    def coalesce_key(self, payload: OneFeed) -> str | None:
        return payload.feed

    def look(self, ctx: BlockingContext, feed: str) -> Look:
        """Raises `Rejected` for a feed that is in no catalogue, `Unusable`."""
        sources = sources_of(self.settings)
        if feed not in sources.read_catalogue():
            raise Rejected(f"feed: {feed} is not in the catalogue {self.settings.catalogue}: add it there")
        return sources.look(self._known(feed), Saying(ctx), again=True)

    def _known(self, feed: str) -> FeedFacts:
        try:
            return read_standing(Path(self.settings.root)).facts.get(feed, FeedFacts(name=feed))
        except NoTree:
            return FeedFacts(name=feed)


class RecheckFeed(FeedHandler):
    """Looks at a file that was absent, unreadable or cut off, until it can be taken: then its pages are refreshed."""

    kind = "RecheckFeed"
    retry = RetryPolicy(attempts=10, pause=30.0)

    def title(self, payload: OneFeed) -> str:
        return f"look at {payload.feed} again"

    def run(self, ctx: BlockingContext, payload: OneFeed) -> Outcome:
        self.check_configured()
        ctx.stage("planning")
        try:
            found = self.look(ctx, payload.feed)
        except Unusable as error:
            return Retry(str(error))
        if found.why:
            return Retry(f"{payload.feed} is still {found.why}")
        child = ctx.enqueue(RefreshEntities.kind, Feeds([payload.feed]), name="refresh", trigger=ctx.task.trigger)
        ctx.step(f"{payload.feed} can be taken again: made task {child} ({RefreshEntities.kind})", task=child)
        ctx.stage("clean")
        return Success({"feed": payload.feed, "task": child})


class ReprocessFeed(FeedHandler):
    """What was kept of a feed is damaged: its file is accepted anew, whether it has changed or not."""

    kind = "ReprocessFeed"

    def title(self, payload: OneFeed) -> str:
        return f"accept {payload.feed} anew"

    def run(self, ctx: BlockingContext, payload: OneFeed) -> Outcome:
        self.check_configured()

        def compute(engine: Engine, say: Saying) -> Draft | None:
            return engine.rebuild_selected([payload.feed], [], [], say)

        return run_pass(ctx, self.settings, compute)
