"""The kind RefreshEntities: the pages of feeds whose files have changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from windlass import BlockingContext, Outcome, Success

from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.payloads import Feeds, listed

if TYPE_CHECKING:
    from windlass_entities.engine import Draft, Engine, Say


class RefreshEntities(EntityHandler[Feeds]):
    """Requests fold into one: a burst of updates is one run, and one more for what came while it ran."""

    kind = "RefreshEntities"

    def title(self, payload: Feeds) -> str:
        return f"refresh {listed(payload.feeds, 'feeds')}"

    def merge(self, payload: Feeds, other: Feeds) -> Feeds:
        return payload.merged(other)

    def run(self, ctx: BlockingContext, payload: Feeds) -> Outcome:
        from windlass_entities.files import look_at_all
        from windlass_entities.handlers.passes import run_pass
        from windlass_entities.seen import remember_unchanged

        self.check_configured()
        # Before the files are read: one that changes meanwhile is found again.
        before = look_at_all(Path(self.settings.feeds), payload.feeds)

        def compute(engine: Engine, say: Say) -> Draft | None:
            return engine.refresh(payload.feeds, say)

        outcome = run_pass(ctx, self.settings, compute)
        if isinstance(outcome, Success):
            remember_unchanged(ctx.documents, self.settings, before)
        return outcome
