"""The kind CheckEntities: reads and hashes the whole tree, keeps what it finds, and has it mended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from windlass import BlockingContext, Outcome, Retry, Success

from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.handlers.rebuild import RebuildEntities
from windlass_entities.handlers.repair import RepairEntities
from windlass_entities.handlers.saying import Saying
from windlass_entities.payloads import Check, Nothing
from windlass_entities.records import CHECKED, Checked, Found, kept
from windlass_entities.tree import TreeTrouble, base_of

if TYPE_CHECKING:
    from windlass_entities.findings import Finding


class CheckEntities(EntityHandler[Check]):
    """What it finds stands in a document: nobody scans the tree because somebody looks."""

    kind = "CheckEntities"

    def title(self, payload: Check) -> str:
        return "check all pages, and repair" if payload.repair else "check all pages"

    def merge(self, payload: Check, other: Check) -> Check:
        return payload.merged(other)

    def run(self, ctx: BlockingContext, payload: Check) -> Outcome:
        from windlass_entities.handlers.looking import have_feeds_mended, look
        from windlass_entities.mending import mending

        self.check_configured()
        say, began = Saying(ctx), time.monotonic()
        say.stage("planning")
        try:
            generation = base_of(Path(self.settings.root))
            say.stage("scanning memberships")
            found = look(self.settings, say)
        except TreeTrouble as error:
            return Retry(str(error))
        todo = mending(found)
        deferred = todo.deferred(self.settings.deferred_limit)
        checked = _checked(ctx, found, deferred, generation, time.monotonic() - began)
        ctx.documents.put(CHECKED, checked)
        self._tell(say, checked)
        if payload.repair:
            self._have_pages_mended(ctx, say, todo.pages)
            have_feeds_mended(ctx, self.settings, say, todo)
        say.stage("deferred" if deferred else "clean")
        return Success({"generation": generation, "findings": checked.counts, "deferred": deferred})

    def _tell(self, say: Saying, checked: Checked) -> None:
        for kind, count in sorted(checked.counts.items()):
            say.step(f"{count:,} {kind}", targets=[each.target for each in checked.findings if each.kind == kind][:20])
        if not checked.total:
            say.step(f"generation {checked.generation} is as it was published")
        if checked.deferred:
            words = f"{checked.deferred:,} targets are more than {self.settings.deferred_limit:,}, and left alone"
            say.step(f"{words}: windlass entities repair", deferred=checked.deferred)

    def _have_pages_mended(self, ctx: BlockingContext, say: Saying, pages: int) -> None:
        """What it makes is made for the same reason as this check."""
        if not pages or pages > self.settings.deferred_limit:
            return
        kind = RepairEntities.kind if pages > 0 else RebuildEntities.kind
        task = ctx.enqueue(kind, Nothing(), name=kind, trigger=ctx.task.trigger)
        say.step(f"made task {task} ({kind})", task=task)


def _checked(ctx: BlockingContext, found: Sequence[Finding], deferred: int, generation: int, seconds: float) -> Checked:
    return Checked(
        at=datetime.now(UTC),
        task=ctx.task.id,
        generation=generation,
        total=len(found),
        counts=dict(sorted(Counter(each.kind for each in found).items())),
        findings=kept(Found(each.kind, each.target, each.detail) for each in found),
        deferred=deferred,
        seconds=round(seconds, 3),
    )
