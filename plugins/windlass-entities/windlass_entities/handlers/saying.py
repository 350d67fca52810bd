"""What the engine tells, as words of the task's timeline."""

from __future__ import annotations

from typing import Any

from windlass import BlockingContext, failpoint

STAGES = (
    "planning",
    "bootstrap",
    "scanning memberships",
    "rebuilding final payloads",
    "repairing",
    "publishing",
    "clean",
    "deferred",
)
"""All that a task of this plugin says by itself.  While it waits for others, its stage is `WAITING`."""

WAITING = "waiting for entity artifact writer"

PLACES = {
    stage: failpoint(f"entities.{stage.replace(' ', '-')}", f"a pass begins its stage {stage!r}") for stage in STAGES
}


class Saying:
    """Implements `engine.Say`.  A stage that is said twice in a row is one."""

    def __init__(self, ctx: BlockingContext) -> None:
        self._ctx = ctx
        self._stage = ""

    def stage(self, text: str) -> None:
        if text == self._stage:
            return
        self._stage = text
        self._ctx.stage(text)
        if place := PLACES.get(text):
            place()

    def progress(self, current: int, total: int) -> None:
        self._ctx.progress(current, total)

    def step(self, text: str, **data: Any) -> None:
        self._ctx.step(text, **data)

    def cancelled(self) -> bool:
        return self._ctx.cancelled.is_set()
