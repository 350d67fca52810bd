"""What people do with the buffer: look how it is, look at dead letters, requeue or drop them, see what was lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import dropwhile, islice
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from windlass import HealthSection, Operation, OperationCall, Rejected, Role
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.reports import Gap

from windlass_buffer import dead_letters
from windlass_buffer.asking import Line, Lines, Redis
from windlass_buffer.choosing import Chosen, Matching, Site
from windlass_buffer.dead_letters import Letter, Moved, newest_first
from windlass_buffer.failovers import failovers, failovers_key
from windlass_buffer.panel import SiteReport, report_of, section_of
from windlass_buffer.settings import BufferSettings
from windlass_buffer.watch import Watch
from windlass_buffer.whole import Shown, find

MOST_LISTED = 100
Fits = Callable[[Letter], bool]


class OfSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: Site = ""


class Page(Matching, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those that match, behind the letter `after`."""

    after: Annotated[str, Meta(description="The last letter of the page before, as SITE/ID.")] = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED, description="At most so many.")] = MOST_LISTED


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(description="Of a dead letter, or of a transaction.")]
    site: Site = ""


class DeadLine(msgspec.Struct, frozen=True):
    """A dead letter in a list."""

    id: str
    site: str
    endpoint: str
    key: str
    attempts: int
    died: datetime
    error: str


class Counted(msgspec.Struct, frozen=True):
    site: str
    count: int


class Requeued(msgspec.Struct, frozen=True):
    requeued: int
    remaining: int
    """They match too, and were too many for one call."""
    unreadable: int
    """They match, and are no entries: they can only be dropped."""


class Dropped(msgspec.Struct, frozen=True):
    dropped: int
    remaining: int


class Lost(msgspec.Struct, frozen=True):
    """A report: so many transactions are gone with Redis, or may be gone since a failover."""

    site: str
    cause: Literal["redis", "failover"]
    count: int
    noticed: datetime
    epoch: str = ""
    first: int = 0
    """With Redis: the numbers from here to `last` were acknowledged."""
    last: int = 0
    position: str = ""
    """With a failover: what was committed on `timeline` from here on, and did not get further."""
    timeline: int = 0
    ids: list[str] = []


class Forgotten(msgspec.Struct, frozen=True):
    forgotten: int


class BufferOperations:
    """All of them, over lines of their own to the sites' Redis servers; and the section, which asks the same."""

    def __init__(self, settings: BufferSettings) -> None:
        self._lines = Lines(settings)
        self._watch = Watch()

    def close(self) -> None:
        self._lines.close()

    async def section(self) -> HealthSection | None:
        return section_of(await self._watch.look(self._lines.all()))

    def all(self) -> list[Operation]:
        return [
            _reading("status", "Status of the buffer", _STATUS, self.status, OfSite, list[SiteReport]),
            _reading("dead", "List dead letters", "The newest first.", self.dead, Page, list[DeadLine]),
            _reading("count", "Count dead letters", "As requeue and drop would.", self.count, Chosen, list[Counted]),
            _reading("show", "Show a transaction", _SHOW, self.show, Which, Shown, role=Role.OPERATOR),
            Operation("requeue", "Requeue dead letters", _REQUEUE, self.requeue, Chosen, Requeued),
            Operation("drop", "Drop dead letters", _DROP, self.drop, Chosen, Dropped),
            _reading("gaps", "List what was lost", _GAPS, self.gaps, OfSite, list[Lost]),
            Operation("forget-gaps", "Forget reported gaps", _FORGET, self.forget_gaps, OfSite, Forgotten),
        ]

    async def status(self, call: OperationCall, argument: OfSite) -> list[SiteReport]:
        return [report_of(facts) for facts in await self._watch.look_well(self._lines.of(argument.site))]

    async def dead(self, call: OperationCall, argument: Page) -> list[DeadLine]:
        found: list[DeadLine] = []
        site, _, behind = argument.after.partition("/")
        lines = self._lines.of(argument.site)
        if site:
            lines = _from(lines, site, argument.after)
        for line in lines:
            found += await line.call(partial(_listed, argument, behind, argument.limit - len(found)))
            behind = ""
            if len(found) == argument.limit:
                break
        return found

    async def count(self, call: OperationCall, argument: Chosen) -> list[Counted]:
        argument.check()
        return [
            Counted(line.site.name, await line.call(partial(_count, argument)))
            for line in self._lines.of(argument.site)
        ]

    async def show(self, call: OperationCall, argument: Which) -> Shown:
        lines = self._lines.of(argument.site)
        for line in lines:
            if found := await line.call(lambda redis_, keys: find(redis_, keys, argument.id)):
                return found
        sites = ", ".join(line.site.name for line in lines) or "no site is configured"
        raise Rejected(
            f"id: nothing is known of {argument.id!r} ({sites}). It never was submitted, or its status has expired "
            "(an hour after its last change), or Redis lost it: see windlass buffer gaps"
        )

    async def requeue(self, call: OperationCall, argument: Chosen) -> Requeued:
        moved = await self._move(argument, dead_letters.requeue)
        return Requeued(moved.moved, moved.remaining, moved.unreadable)

    async def drop(self, call: OperationCall, argument: Chosen) -> Dropped:
        moved = await self._move(argument, dead_letters.drop)
        return Dropped(moved.moved, moved.remaining)

    async def gaps(self, call: OperationCall, argument: OfSite) -> list[Lost]:
        return [lost for line in self._lines.of(argument.site) for lost in await line.call(_lost)]

    async def forget_gaps(self, call: OperationCall, argument: OfSite) -> Forgotten:
        return Forgotten(sum([await line.call(_forget) for line in self._lines.of(argument.site)]))

    async def _move(self, argument: Chosen, move: Callable[[Redis, Keys, Fits], Moved]) -> Moved:
        argument.check()
        lines = self._lines.of(argument.site)
        if argument.ids:
            await _check_known(argument, lines)
        if argument.dry_run:
            return Moved(0, sum([await line.call(partial(_count, argument)) for line in lines]))
        now = time.time()
        total = Moved(0, 0)
        for line in lines:
            moved = await line.call(lambda redis_, keys: move(redis_, keys, lambda letter: argument.fits(letter, now)))
            total = total.plus(moved)
        return total


async def _check_known(argument: Chosen, lines: Sequence[Line]) -> None:
    """Ids are named one by one, so one that is not there is a mistake.  Raises `Rejected`."""
    known: set[str] = set()
    for line in lines:
        known |= await line.call(lambda redis_, keys: {letter.id for letter in newest_first(redis_, keys)})
    if missing := [id for id in argument.ids if id not in known]:
        raise Rejected(f"ids: there is no dead letter {missing[0]!r}; windlass buffer dead lists them")


def _from(lines: list[Line], site: str, after: str) -> list[Line]:
    """The lines from this site on.  Raises `Rejected`: `after` is of another list."""
    for place, line in enumerate(lines):
        if line.site.name == site:
            return lines[place:]
    raise Rejected(f"after: {after!r} is no letter of this list; leave it out to begin anew")


def _listed(argument: Page, behind: str, most: int, redis_: Redis, keys: Keys) -> list[DeadLine]:
    now = time.time()
    letters = newest_first(redis_, keys)
    if behind:
        letters = dropwhile(lambda letter: letter.id != behind, letters)
        if next(letters, None) is None:
            raise Rejected(f"after: the letter {behind!r} is no longer there; leave it out to begin anew")
    fitting = (letter for letter in letters if argument.fits(letter, now))
    return [_line(keys.site, letter) for letter in islice(fitting, most)]


def _line(site: str, letter: Letter) -> DeadLine:
    return DeadLine(letter.id, site, letter.endpoint, letter.key, letter.attempts, _time(letter.when), letter.error)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _count(argument: Chosen, redis_: Redis, keys: Keys) -> int:
    now = time.time()
    return sum(argument.fits(letter, now) for letter in newest_first(redis_, keys))


def _lost(redis_: Redis, keys: Keys) -> list[Lost]:
    found = [
        Lost(keys.site, "redis", gap.count, _time(gap.noticed), gap.epoch, gap.first, gap.last)
        for gap in map(_gap, redis_.lrange(keys.gaps, 0, -1))
    ]
    for each in failovers(redis_, keys.site):
        lost = Lost(keys.site, "failover", each.count, _time(each.noticed))
        found.append(msgspec.structs.replace(lost, position=each.first, timeline=each.timeline, ids=each.ids))
    return sorted(found, key=lambda lost: lost.noticed, reverse=True)


def _gap(raw: bytes) -> Gap:
    return msgspec.json.decode(raw, type=Gap)


def _forget(redis_: Redis, keys: Keys) -> int:
    """Those that were there to be seen; what is noticed meanwhile stays."""
    return sum(
        redis_.lrem(name, 1, report)
        for name in (keys.gaps, failovers_key(keys.site))
        for report in redis_.lrange(name, 0, -1)
    )


def _reading(
    name: str, title: str, description: str, run: Any, argument: Any, result: Any, role: Role = Role.VIEWER
) -> Operation:
    return Operation(name, title, description, run, argument, result, role=role, writes=False)


_STATUS = "Of each site: what waits, what was done, what failed, how far behind its replicas are."
_SHOW = "How far it is, its error, and its statements with their values while Redis still has them."
_REQUEUE = "They are tried again as if for the first time: in their order, before everything that waits."
_DROP = "They are thrown away, with what they were to write."
_GAPS = "What Redis lost of what it had acknowledged, and what may be missing since a failover."
_FORGET = "They are no longer shown. What they were is not known any more; deal with it first."
