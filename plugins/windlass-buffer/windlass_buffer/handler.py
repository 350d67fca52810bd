"""The kind DrainBuffer: one task a site, kept alive as a resident.

It never ends by itself but every ten minutes, with its counts, so that the history tells how the site was; the next one
goes on at once.  A task of that kind beside it warns and does nothing.
"""

from __future__ import annotations

import time
from datetime import timedelta

import msgspec
from redis import RedisError
from windlass import BlockingContext, Graces, Handler, Outcome, Rejected, Retry, RetryPolicy, Role, Success

from windlass_buffer.aside import Aside
from windlass_buffer.draining import Counts, Drainer, Rivalled
from windlass_buffer.redis_safety import dangers
from windlass_buffer.settings import BufferSettings, Name, Site
from windlass_buffer.taking import Intake, connect

RUN_SECONDS = 600.0
LOOK_SECONDS = 2.0
"""Between two looks at another drainer: one that lives has beaten in between."""
MISCONFIGURED = timedelta(seconds=30)


class DrainPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`site` is the name of one in the configuration."""

    site: Name


class DrainBuffer(Handler[DrainPayload]):
    kind = "DrainBuffer"
    pool = "buffer"
    executor = "process"
    role = Role.OPERATOR
    # Whatever kills its worker, the site has to be drained.
    crash_limit = 0
    retry = RetryPolicy(attempts=10, pause=1.0)
    graces = Graces(ask=8.0)

    def __init__(self, settings: BufferSettings, run_seconds: float = RUN_SECONDS) -> None:
        self._settings = settings
        self._run_seconds = run_seconds

    def title(self, payload: DrainPayload) -> str:
        return f"drain the buffer of {payload.site}"

    def run(self, ctx: BlockingContext, payload: DrainPayload) -> Outcome:
        site = self._settings.of(payload.site)
        if site is None:
            known = ", ".join(each.name for each in self._settings.site) or "none"
            raise Rejected(f"site: there is no {payload.site!r} in [plugins.buffer] of this node; it knows {known}")
        try:
            directory = self._settings.secrets_directory
            url, dsn = site.open_redis(directory), site.open_dsn(directory)
        except (Rejected, ValueError) as error:
            # Not an end: a resident would come back at once, and say the same every few seconds.
            return Retry(str(error), after=MISCONFIGURED)
        if site.redis_safety == "refuse" and (why := _refusal(url)):
            return Retry(why, after=MISCONFIGURED)
        with Aside(self._settings, site, url, dsn, ctx.step) as aside:
            return self._drain(ctx, site, url, dsn, aside)

    def _drain(self, ctx: BlockingContext, site: Site, url: str, dsn: str, aside: Aside) -> Outcome:
        end = time.monotonic() + self._run_seconds
        seen = ""
        counts = Counts()
        while (left := end - time.monotonic()) > 0 and not ctx.cancelled.is_set():
            intake = Intake(url, site.name, task=ctx.task.id, attempt=ctx.task.attempt, wait=self._settings.wait)
            drainer = Drainer(self._settings, site, dsn, intake, ctx, ctx.cancelled, follow=aside.follow)
            try:
                counts = drainer.run(left)
            except Rivalled as error:
                rival = error.rival
                if not seen:
                    ctx.stage(f"drainer {rival.name} has the site")
                elif rival.beat != seen and ctx.task.trigger != "resident":
                    ctx.step(f"warning: {site.name} is drained already, by {rival.name}: nothing was done")
                    return Success({"already_running": rival.name})
                seen = rival.beat
                ctx.cancelled.wait(LOOK_SECONDS)
        ctx.step(in_words(counts))
        return Success({"site": site.name, **msgspec.structs.asdict(counts)})


def _refusal(url: str) -> str:
    """Why this Redis is not drained from; empty when it is safe, or away: that is waited for."""
    try:
        with connect(url) as connection:
            found = dangers(connection)
    except RedisError:
        return ""
    return f"Redis may lose what is buffered, and redis_safety says to refuse that: {'; '.join(found)}" if found else ""


def in_words(counts: Counts) -> str:
    said = f"{counts.applied:,} transactions applied in {counts.commits:,} commits"
    if counts.failed_attempts:
        said += f", {counts.failed_attempts:,} attempts failed"
    return f"{said}, {counts.dead:,} went to the dead letters" if counts.dead else said
