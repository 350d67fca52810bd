"""The kind Check.

A check that finds something down has done its work, so its task succeeds, with what it found as its result.  It fails
only when the look could not be made: what is asked for is wrong, or not allowed.  Otherwise the history would call the
checks broken whenever a service is, and retries would look again and again at what was found already.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime

import msgspec
from windlass import Concurrency, Context, Failed, Handler, Outcome, Rejected, RetryPolicy, Success

from windlass_checks import records
from windlass_checks.judging import Folded, Result, Rules, in_words
from windlass_checks.look import Finding
from windlass_checks.measuring import Measuring
from windlass_checks.payload import CheckPayload
from windlass_checks.probes import AnyProbe
from windlass_checks.records import About
from windlass_checks.settings import ChecksSettings, TransitionTask
from windlass_checks.text import one_line
from windlass_checks.transitions import child_of


class Check(msgspec.Struct, frozen=True):
    """What a payload comes to.  `is_ours`: it is the operator's own, from the configuration."""

    name: str
    probe: AnyProbe
    rules: Rules
    is_ours: bool
    every: float | None = None
    on_transition: TransitionTask | None = None

    @property
    def about(self) -> About:
        probe = self.probe
        return About(type_of(probe), one_line(probe.target), probe.advice, self.every, probe.timeout)


class CheckHandler(Handler[CheckPayload]):
    """Looks at one thing and tells what it found; see `CheckPayload` for what may be asked."""

    kind = "Check"
    retry = RetryPolicy(attempts=3, pause=5.0)

    def __init__(self, settings: ChecksSettings, measuring: Measuring | None = None) -> None:
        self._settings = settings
        self._configured = settings.by_name
        self._measuring = measuring or Measuring(settings)

    def title(self, payload: CheckPayload) -> str:
        if payload.probe is None:
            return f"check {payload.check}"
        of = f"check {payload.name}: " if payload.name else "check "
        return one_line(f"{of}{type_of(payload.probe)} {payload.probe.target}", 150)

    def coalesce_key(self, payload: CheckPayload) -> str | None:
        """Whoever asks for a configured check that waits already gets the one look."""
        return f"check {payload.check}" if payload.check else None

    def merge(self, payload: CheckPayload, other: CheckPayload) -> CheckPayload:
        """A caller may name any key.  One that names a configured check's must not put a probe of his in its place."""
        return payload if payload.check and not other.check else other

    def concurrency(self, payload: CheckPayload) -> Concurrency | None:
        return Concurrency(f"check {payload.name}") if payload.name else None

    async def run(self, ctx: Context, payload: CheckPayload) -> Outcome:
        check = self._find(payload)
        known = await self._already_recorded(ctx, check) if ctx.task.attempt > 1 else None
        if known is None:
            await ctx.stage("looking")
            finding = await self._measuring.measure(ctx, check.probe, is_ours=check.is_ours)
            if finding is None:
                return Failed("it was interrupted before it was done")
            await _tell(ctx, finding)
            if not check.name:
                return Success(_result(finding))
            known = await records.record(ctx.documents, check.name, _of(finding, ctx.task.id), check.rules, check.about)
        return await self._conclude(ctx, check, known)

    def _find(self, payload: CheckPayload) -> Check:
        if payload.probe is not None:
            if payload.name in self._configured:
                raise Rejected(
                    f"name: {payload.name!r} is a check of the configuration; take another name, or send "
                    f'{{"check": "{payload.name}"}}'
                )
            return Check(payload.name, payload.probe, payload.rules, is_ours=False)
        found = self._configured.get(payload.check)
        if found is None:
            near = difflib.get_close_matches(payload.check, self._configured, n=1)
            hint = f"did you mean {near[0]}?" if near else "add it to [[plugins.checks.check]] on every node"
            raise Rejected(f"check: there is no {payload.check!r} in this node's configuration; {hint}")
        task = found.on_transition or self._settings.on_transition
        return Check(found.name, found.probe, found.rules, is_ours=True, every=found.interval, on_transition=task)

    async def _already_recorded(self, ctx: Context, check: Check) -> Folded | None:
        """What an earlier attempt of this task has recorded before it was lost: one task is one result."""
        stored = await records.read(ctx.documents, check.name) if check.name else None
        if stored is None or stored.last is None or stored.last.task != ctx.task.id:
            return None
        transition = stored.transition if stored.transition and stored.transition.task == ctx.task.id else None
        return Folded(stored, transition)

    async def _conclude(self, ctx: Context, check: Check, folded: Folded) -> Outcome:
        """Tell what the result meant, and make the task that the operator wants for a transition."""
        if folded.is_late:
            await ctx.step("a newer result is there already; this one is kept in the history only")
        if transition := folded.transition:
            await ctx.step(in_words(transition), before=transition.before, after=transition.after)
            if child := child_of(check.name, check.on_transition, transition):
                kind, payload, wishes = child
                made = await ctx.enqueue(kind, payload, **wishes)
                await ctx.step(f"made task {made} ({kind}) for it", task=made)
        state, last = folded.state, folded.state.last
        assert last is not None
        since = None if state.since is None else state.since.isoformat()
        return Success(
            {
                "check": check.name,
                "state": state.shown,
                "since": since,
                "ok": last.ok,
                "verdict": last.verdict,
                "response_ms": last.response_ms,
                "warning": last.warning,
            }
        )


def type_of(probe: AnyProbe) -> str:
    """ "http", "tcp", …"""
    return str(probe.__struct_config__.tag)


async def _tell(ctx: Context, finding: Finding) -> None:
    await ctx.step(finding.verdict, ok=finding.ok, response_ms=finding.response_ms)
    if finding.warning:
        await ctx.step(f"warning: {finding.warning}")


def _of(finding: Finding, task: int) -> Result:
    return Result(
        at=datetime.now(UTC),
        ok=finding.ok,
        verdict=finding.verdict,
        response_ms=finding.response_ms,
        warning=finding.warning,
        task=task,
    )


def _result(finding: Finding) -> dict[str, object]:
    """For a look without a name: what it found is all there is."""
    return {
        "state": "up" if finding.ok else "down",
        "ok": finding.ok,
        "verdict": finding.verdict,
        "response_ms": finding.response_ms,
        "warning": finding.warning,
    }
