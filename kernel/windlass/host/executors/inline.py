"""`inline`: on the node's event loop, in the attempt's own task.  Nothing is faster, and nothing is less protected."""

from __future__ import annotations

from collections.abc import Awaitable

from windlass.core.interrupts import Rung
from windlass.executor import Attempt, Executor
from windlass.handler import Outcome


class Inline(Executor):
    def run(self, attempt: Attempt) -> Awaitable[Outcome]:
        # The handler's own coroutine: at full speed one frame more would be felt.
        return attempt.handler.run(attempt.ctx, attempt.payload())  # type: ignore[return-value]

    def climb(self, attempt: Attempt, rung: Rung) -> None:
        if rung is Rung.RAISED:
            attempt.cancel()
