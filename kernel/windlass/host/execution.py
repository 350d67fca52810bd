"""One attempt, from its start to its decision, and the ladder that ends it when somebody interrupts.

    run ──> handler.run ──> cleanup ──> words flushed ──> Ended
              ▲
              └── interrupt, deadline: ask ─grace─> raise ─grace─> … ─grace─> abandon   (core/interrupts.py)

Where `handler.run` runs is the executor's business; an execution is the `Attempt` it is handed.  For the inline
executor this file is the whole cost of an attempt: one task, and no future more.

Words are flushed before the end is handed in: once the task has ended, the fence refuses them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import Context
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from windlass import telemetry
from windlass.core.deadlines import NONE as NO_DEADLINES
from windlass.core.deadlines import Deadlines, next_look, overdue, override
from windlass.core.interrupts import Rung, ladder, patience
from windlass.core.lifecycle import Verdict
from windlass.core.residents import TRIGGER
from windlass.errors import AttemptSuperseded
from windlass.executor import PayloadMisfit
from windlass.handler import Failed, Handler, Retry
from windlass.host.context import LiveContext, Means
from windlass.host.dispatcher import Dispatcher
from windlass.host.plugins import Kind, Unfolded
from windlass.host.recorder import Recorder
from windlass.host.verdicts import Decision, decide, outcome_of
from windlass.store.facts import Asked, Claimed, Ended
from windlass.telemetry.logs import about

if TYPE_CHECKING:
    from windlass.telemetry.tracing import AttemptSpan

log = structlog.get_logger()


class Why(Enum):
    """Why an attempt is being ended before its handler is done."""

    INTERRUPT = "interrupt"
    OVERDUE = "overdue"
    SHUTDOWN = "shutdown"
    FENCED = "fenced"


HOW = {
    Rung.ASKED: "it ended when asked",
    Rung.RAISED: "it was cancelled",
    Rung.TERMINATED: "it was terminated",
    Rung.KILLED: "it was killed",
    Rung.ABANDONED: "it ignored being cancelled and was abandoned",
}
NOT_DECODED = object()


class Execution:
    """`on_end` is called once, with the end to hand in (None when a fenced attempt has nothing to say any more)."""

    _why: Why | None = None
    _rung: Rung | None = None
    _climbing: asyncio.Task[None] | None = None
    _task: asyncio.Task[None] | None = None
    _alarm: asyncio.TimerHandle | None = None
    _overdue = ""
    _payload: object = NOT_DECODED
    _begun = False
    _handled = False
    _abandoned = False
    _untidy = False
    span: AttemptSpan | None = None

    def __init__(
        self,
        claimed: Claimed,
        kind: Kind,
        node: int,
        dispatcher: Dispatcher,
        recorder: Recorder,
        means: Means,
        on_end: Callable[[Execution, Ended | None], None],
    ) -> None:
        self.claimed = claimed
        self.node = node
        self.dispatcher = dispatcher
        self.handler: Handler[Any] = kind.handler
        self._kind = kind
        self._recorder = recorder
        self._on_end = on_end
        self._started = recorder.now()
        cap = self.handler.output_cap
        self.ctx = LiveContext(claimed, node, self._started, recorder, means, cap, kind.plugin)

    @property
    def stored(self) -> bytes:
        if not self.claimed.joined:
            return self.claimed.payload
        try:
            return msgspec.json.encode(self.payload())
        except (TypeError, ValueError, RecursionError) as error:
            raise PayloadMisfit(
                f"what joined this task can't be folded into it: merge returned what is no JSON: {error}"
            ) from error

    def payload(self) -> Any:
        if self._payload is NOT_DECODED:
            try:
                self._payload = self._kind.folded(self.claimed.payload, self.claimed.joined)
            except Unfolded as error:
                raise PayloadMisfit(str(error)) from error
            except Exception as error:
                raise PayloadMisfit(f"the payload does not fit {self.claimed.kind}: {error}") from error
        return self._payload

    def cancel(self) -> None:
        assert self._task is not None
        self._task.cancel()

    def start(self, context: Context | None = None) -> None:
        """Begin, with this context of one's own: whoever calls us may be at the end of another attempt."""
        self.ctx.on_superseded = self.fence
        self._recorder.began(self.ctx)
        self._task = asyncio.create_task(self._run(), context=context)
        if self._deadlines() is not NO_DEADLINES:
            self._mind_deadlines()

    def measure(self, ended: Ended | None) -> None:
        """Tell its span and the meters how it ended."""
        if self.span is None and telemetry.meters is None:
            return  # at full speed even looking the word up can be seen
        outcome = "superseded" if ended is None else ended.verdict.name.lower()
        if self.span is not None:
            self.span.handed_in(outcome, "" if ended is None else ended.message)
        if telemetry.meters is not None and ended is not None:
            telemetry.meters.attempt[self.claimed.kind, outcome].add(ended.started_age or 0.0)

    def leaks(self) -> asyncio.Task[None] | None:
        """What still runs although the attempt was abandoned."""
        return self._task if self._abandoned and self._task is not None and not self._task.done() else None

    def interrupt(self, asked: Asked) -> None:
        """Climb the ladder, once.  It is there for the handler: cleanup has a deadline of its own.

        Where a deadline is being enforced already, the climb goes on from its rung, for this reason instead.
        """
        if self._why in (None, Why.OVERDUE) and not self.ctx.ended:
            self._why = Why.INTERRUPT
            self.ctx.interrupted(asked.by, asked.reason)
            self._begin_to_climb()

    def _begin_to_climb(self) -> None:
        if not self._handled and self._climbing is None:
            self._rung = Rung.ASKED
            self._climbing = asyncio.create_task(self._climb())

    def _deadlines(self) -> Deadlines:
        return override(self.handler.deadlines, run=self.claimed.run_limit, silence=self.claimed.silence_limit)

    def _mind_deadlines(self) -> None:
        if self._why is not None or self._handled:
            return
        deadlines, now = self._deadlines(), self._recorder.now()
        ran = now - self._started
        silent = 0.0 if self.ctx.waits_for_the_store() else now - max(self._started, self.ctx.spoken_at)
        self._overdue = overdue(deadlines, ran, silent)
        if self._overdue:
            self._why = Why.OVERDUE
            self.ctx.told_to_end(self._overdue)
            self._begin_to_climb()
        elif (seconds := next_look(deadlines, ran, silent)) is not None:
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._mind_deadlines)

    @property
    def is_resident(self) -> bool:
        """It would never end by itself, and another node waits for it."""
        return self.claimed.trigger == TRIGGER

    def ask_to_end(self) -> None:
        """Politely first, of what would never end by itself: whatever it returns then, its attempt is handed back."""
        if self.ctx.ended or self._why is not None or not self._begun:
            return
        self._why = Why.SHUTDOWN
        self.ctx.cancelled.set()
        self._kind.executor.climb(self, Rung.ASKED)
        asyncio.get_running_loop().call_later(self.handler.graces.ask, self._insist)

    def _insist(self) -> None:
        if self._why is Why.SHUTDOWN:
            self.shut_down()

    def shut_down(self) -> None:
        """Raise in the handler; its attempt is handed back uncounted."""
        self._raise(Why.SHUTDOWN)

    def fence(self) -> None:
        """Another attempt holds the task, or the lease is lost: stop, and hand nothing in."""
        self._raise(Why.FENCED)
        # From now on it is refused here already: the store may not know yet that the lease is lost.
        self.ctx.superseded = True
        if not self.ctx.ended and self._climbing is None:
            self._climbing = asyncio.create_task(self._outlast())

    def _raise(self, why: Why) -> None:
        if not self.ctx.ended and self._task is not None:
            if why is Why.FENCED or self._why is not Why.OVERDUE:
                self._why = why  # an attempt whose time was over counts, also when a shutdown ends it
            self.ctx.cancelled.set()
            self._task.cancel()
            if not self._begun:
                # A task cancelled before its first step never takes one.
                self._break_off(Decision(Verdict.RETURNED, "it never began"))

    async def _climb(self) -> None:
        about.set(self.claimed)
        assert self._task is not None
        executor = self._kind.executor
        for rung, grace in ladder(self.handler.graces, executor.rungs):
            self._rung = rung
            if rung is Rung.ABANDONED:
                log.error("handler ignores its interrupt; abandoned", task=self.claimed.id, kind=self.claimed.kind)
                await self.abandon(self._made_to_end())
                return
            try:
                executor.climb(self, rung)
            except Exception:
                log.exception("an executor failed to climb", task=self.claimed.id, rung=rung.value)
            await asyncio.wait((self._task,), timeout=grace)
            if self._task.done():
                return

    async def _outlast(self) -> None:
        about.set(self.claimed)
        assert self._task is not None
        seconds = patience(self.handler.graces, self._kind.executor.rungs)
        await asyncio.wait((self._task,), timeout=seconds)
        if not self._task.done():
            log.error("handler ignores that its task is another's; abandoned", task=self.claimed.id)
            await self.abandon(Decision(Verdict.CANCELED))

    async def abandon(self, decision: Decision) -> None:
        """End the attempt although its handler still runs: what it writes from now on is refused."""
        self._abandoned = True
        await self._clean_up()
        await self._end(decision)
        self.ctx.superseded = True

    async def _run(self) -> None:
        self._begun = True
        about.set(self.claimed)
        decision = None
        try:
            if telemetry.spans is not None:
                self.span = telemetry.spans.attempt(self.claimed, self.dispatcher.pool)
            decision = await self._attempt()
            self._handled = True
            if self._abandoned:
                return
            if self._climbing is not None:
                self._climbing.cancel()
            await self._clean_up()
            await self._end(decision)
        except BaseException as error:
            log.error("an attempt broke off", task=self.claimed.id, exc_info=error)
            self._break_off(decision or decide(Retry("the attempt broke off"), self.claimed, self.handler.retry))

    def _break_off(self, decision: Decision) -> None:
        self.ctx.leave_lane()
        if not self._abandoned and self._claim_end():
            self._on_end(self, None if self._fenced() else self._ended(decision))

    async def _attempt(self) -> Decision:
        self._untidy = True
        try:
            outcome: object = await self._kind.executor.run(self)
        except PayloadMisfit as error:
            self._untidy = False
            outcome = Failed(str(error))
        except asyncio.CancelledError as error:
            if self._why is not None:
                return self._made_to_end()
            outcome = outcome_of(error)
        except BaseException as error:  # noqa: BLE001 - a handler that exits must not take the node with it
            outcome = outcome_of(error)
        if self._why is Why.OVERDUE or (self._why is Why.SHUTDOWN and self.is_resident):
            # Whatever it returned: who waits for it was told that it failed when its time was over.
            return self._made_to_end()
        return decide(outcome, self.claimed, self.handler.retry)

    def _made_to_end(self) -> Decision:
        if self._why is Why.SHUTDOWN:
            return Decision(Verdict.RETURNED, "handed back by a shutdown")
        if self._why is Why.OVERDUE and self._rung is not None:
            late = Retry(f"{self._overdue}; {HOW[self._rung]}")
            return decide(late, self.claimed, self.handler.retry)
        return Decision(Verdict.CANCELED)

    async def _clean_up(self) -> None:
        if not self._kind.has_cleanup or not self._untidy or self._fenced():
            return
        self._untidy = False
        # A task of its own, so that one which ignores its deadline is left behind.
        cleaning = asyncio.create_task(self._tidy())
        wrong = await _within(self.handler.graces.cleanup, cleaning)
        if wrong and not self._fenced():
            with suppress(AttemptSuperseded):
                await self.ctx.step(f"cleanup failed: {wrong}")

    def _fenced(self) -> bool:
        return self._why is Why.FENCED

    async def _tidy(self) -> str:
        """What went wrong, if anything."""
        try:
            await self.handler.cleanup(self.ctx, self.payload())
        except BaseException as error:  # noqa: BLE001 - whatever cleanup does, the task has ended
            return f"{type(error).__name__}: {error}"
        return ""

    async def _end(self, decision: Decision) -> None:
        if self.ctx.ended:
            return
        left = self.ctx.leave_lane()
        if self._why is not Why.FENCED:
            if left is not None:
                # Cut by a shutdown, it goes on; and a lane whose holder has ended is free anyway.
                with suppress(asyncio.CancelledError):
                    await left
            self.ctx.close_output()
            if self.ctx.outbox or self.ctx.on_its_way:
                await self._flush()
        if self._claim_end():
            self._on_end(self, None if self._why is Why.FENCED or self.ctx.superseded else self._ended(decision))

    def _claim_end(self) -> bool:
        # While the words were flushed, the other of handler and ladder may have ended the attempt.
        first = not self.ctx.ended
        self.ctx.ended = True
        # No circle is left behind: collecting them took two fifths of a node's time at full speed.
        self.ctx.on_superseded = LiveContext.on_superseded
        if self._alarm is not None:
            self._alarm.cancel()
        return first

    async def _flush(self) -> None:
        try:
            await self._recorder.flushed(self.ctx)
        except asyncio.CancelledError:
            # A shutdown does not wait for words when the store is away; the end is still handed in.
            log.warning("what the task said last is not stored", task=self.claimed.id)

    def _ended(self, decision: Decision) -> Ended:
        message = decision.message
        if self._rung is not None and self._why is not Why.OVERDUE:
            message = "; ".join(filter(None, (HOW[self._rung], message)))
        return Ended(
            task=self.claimed.id,
            attempt=self.claimed.attempt,
            verdict=decision.verdict,
            started_age=self._recorder.now() - self._started,
            message=message,
            result=decision.result,
            pause=decision.pause,
        )


async def abandon_all(executions: Iterable[Execution], seconds: float) -> None:
    """Hand back what still runs at a shutdown."""
    returned = Decision(Verdict.RETURNED, "handed back by a shutdown")
    left = [asyncio.create_task(execution.abandon(returned)) for execution in executions]
    if left:
        # One that waits for a store that is away is cut short, and hands in its end without its last words.
        _, waiting = await asyncio.wait(left, timeout=seconds)
        for abandoning in waiting:
            abandoning.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _within(seconds: float, cleaning: asyncio.Task[str]) -> str:
    try:
        await asyncio.wait((cleaning,), timeout=seconds)
    except asyncio.CancelledError:
        cleaning.cancel()
        return "it was cut short"
    if cleaning.done():
        return cleaning.result()
    cleaning.cancel()
    return f"it took longer than {seconds:g} s"
