"""The kind RepairEntities: the smallest repair for what a look finds wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windlass import BlockingContext, Outcome, Role

from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.payloads import Nothing

if TYPE_CHECKING:
    from windlass_entities.engine import Draft, Engine, Say


class RepairEntities(EntityHandler[Nothing]):
    """It looks for itself: what somebody found a while ago may be mended, or there may be more."""

    kind = "RepairEntities"
    role = Role.OPERATOR

    def title(self, payload: Nothing) -> str:
        return "repair what is wrong"

    def run(self, ctx: BlockingContext, payload: Nothing) -> Outcome:
        from windlass_entities.findings import counts_of, targets_of
        from windlass_entities.handlers.looking import have_feeds_mended, look
        from windlass_entities.handlers.passes import run_pass
        from windlass_entities.mending import mending, of_pages

        self.check_configured()

        def compute(engine: Engine, say: Say) -> Draft | None:
            found = look(self.settings, say)
            have_feeds_mended(ctx, self.settings, say, mending(found))
            targets = targets_of(of_pages(found))
            if not targets:
                return None
            say.stage("repairing")
            say.step(f"{len(targets):,} to be made anew", findings=counts_of(found))
            return engine.repair(targets, say)

        return run_pass(ctx, self.settings, compute)
