"""The kinds LookAtHealth and RefreshHealth: classes move by themselves, because time goes by."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from windlass import BlockingContext, Outcome, Success

from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.payloads import Feeds, Nothing, listed
from windlass_entities.tree import NoTree

if TYPE_CHECKING:
    from windlass_entities.engine import Draft, Engine, Say

TRIGGER = "health_transition"


class LookAtHealth(EntityHandler[Nothing]):
    """Finds feeds whose class is another now, and has their pages refreshed; mostly there are none."""

    kind = "LookAtHealth"

    def title(self, payload: Nothing) -> str:
        return "look for feeds whose health class moved"

    def run(self, ctx: BlockingContext, payload: Nothing) -> Outcome:
        self.check_configured()
        ctx.stage("planning")
        moved = self._moved()
        for feed, (before, after) in moved.items():
            ctx.step(f"{feed}: {before} → {after}", feed=feed)
        if moved:
            child = ctx.enqueue(RefreshHealth.kind, Feeds(sorted(moved)), name="refresh", trigger=TRIGGER)
            ctx.step(f"made task {child} ({RefreshHealth.kind}) for it", task=child)
        ctx.stage("clean")
        return Success({"moved": sorted(moved)})

    def _moved(self) -> dict[str, tuple[str, str]]:
        from windlass_entities.accepted import read_standing
        from windlass_entities.facts import settled

        now, thresholds = datetime.now(UTC), self.settings.thresholds
        try:
            known = read_standing(Path(self.settings.root)).facts
        except NoTree:
            return {}
        after = {feed: settled(facts, thresholds, now).health for feed, facts in known.items()}
        return {feed: (facts.health, after[feed]) for feed, facts in known.items() if facts.health != after[feed]}


class RefreshHealth(EntityHandler[Feeds]):
    """Publishes the classes as they are now."""

    kind = "RefreshHealth"

    def title(self, payload: Feeds) -> str:
        return f"refresh health of {listed(payload.feeds, 'feeds')}"

    def merge(self, payload: Feeds, other: Feeds) -> Feeds:
        return payload.merged(other)

    def run(self, ctx: BlockingContext, payload: Feeds) -> Outcome:
        from windlass_entities.handlers.passes import run_pass

        self.check_configured()

        def compute(engine: Engine, say: Say) -> Draft | None:
            return engine.settle_health(datetime.now(UTC), say)

        return run_pass(ctx, self.settings, compute)
