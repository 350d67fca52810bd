"""The kind RepairEntities: the smallest repair for what a look finds wrong."""

from __future__ import annotations

from pathlib import Path
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
        from windlass_entities import integrity
        from windlass_entities.handlers.passes import run_pass

        self.check_configured()

        def compute(engine: Engine, say: Say) -> Draft | None:
            found = integrity.look(Path(self.settings.root))
            targets = integrity.targets_of(found)
            if not targets:
                return None
            say.step(f"{len(found)} findings to repair", counts=integrity.counts_of(found))
            return engine.repair(targets, say)

        return run_pass(ctx, self.settings, compute)
