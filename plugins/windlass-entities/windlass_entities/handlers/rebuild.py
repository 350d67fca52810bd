"""The kinds RebuildEntities and RebuildSelected: pages computed anew, although nothing asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windlass import BlockingContext, Outcome, Rejected, Role, Twin

from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.payloads import Nothing, Selection

if TYPE_CHECKING:
    from windlass_entities.engine import Draft, Engine, Say


class RebuildEntities(EntityHandler[Nothing]):
    """The whole tree, from the last accepted inputs.  Whoever asks while one waits or runs gets that one."""

    kind = "RebuildEntities"
    role = Role.OPERATOR
    running_twin = Twin.JOIN

    def title(self, payload: Nothing) -> str:
        return "rebuild all pages"

    def run(self, ctx: BlockingContext, payload: Nothing) -> Outcome:
        from windlass_entities.handlers.passes import run_pass

        self.check_configured()

        def compute(engine: Engine, say: Say) -> Draft | None:
            return engine.rebuild(say)

        return run_pass(ctx, self.settings, compute)


class RebuildSelected(EntityHandler[Selection]):
    """Some pages.  What is asked for while one runs is served by the one that follows."""

    kind = "RebuildSelected"
    role = Role.OPERATOR

    def title(self, payload: Selection) -> str:
        return f"rebuild {payload.in_words()}"

    def merge(self, payload: Selection, other: Selection) -> Selection:
        return payload.merged(other)

    def run(self, ctx: BlockingContext, payload: Selection) -> Outcome:
        from windlass_entities.handlers.passes import run_pass

        self.check_configured()
        if not payload:
            raise Rejected("feeds, countries, asns: name at least one; RebuildEntities rebuilds all")

        def compute(engine: Engine, say: Say) -> Draft | None:
            return engine.rebuild_selected(payload.feeds, payload.countries, payload.asns, say)

        return run_pass(ctx, self.settings, compute)
