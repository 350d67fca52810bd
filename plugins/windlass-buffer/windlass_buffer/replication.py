"""Decides from what the replicas say which transactions they show.  No I/O and no clock.

A position means nothing by itself: it counts in one history of one database cluster.  The *system identifier* tells
which cluster, the *timeline* which history.  A promoted replica starts a new timeline that branches off where its
replay ended; what the old primary wrote behind that point is on the old timeline only, however far the new one gets.

    timeline 1  ────────┬──────── C      C is committed, and lost with the old primary
    timeline 2          └───────────     a replica here reaches C's number without having C

So each replica has, for what was written in one history, two positions: up to where it shows it, and up to where it
ever will.  A quorum of replicas has the same two: those that enough of them reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from windlass_buffer_client.lsn import number

NOTHING = -1
EVERYTHING = 1 << 64


class Check(NamedTuple):
    """A transaction whose replication is followed.  `lsn` was read after its COMMIT; `since` is a Unix time."""

    id: str
    lsn: int
    system: str
    timeline: int
    since: float
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one replica said at one look.  `history`: timeline → where it ended, of those that its own came from.

    None where the history is not to be read: then nobody knows what an earlier timeline's position means here.
    """

    replica: str
    system: str
    timeline: int
    replayed: int
    history: Mapping[int, int] | None = None
    promoted: bool = False
    """It is no replica any more."""


class Reach(NamedTuple):
    """Of what was written in one history: up to where it is shown, and up to where it ever will be."""

    shown: int
    kept: int


class Ruling(NamedTuple):
    """The checks by what is to be done: clean up, go on waiting, report as missing."""

    replicated: list[Check]
    waiting: list[Check]
    lost: list[Check]


def reach(sight: Sight | None, system: str, timeline: int, main: str) -> Reach:
    """How far a replica shows what was written in this history; `main` is the system of the main database."""
    if sight is None:
        return Reach(NOTHING, EVERYTHING)
    if sight.system != system:
        # The replica is of another cluster; or the transaction is, and the main database was replaced since.
        return Reach(NOTHING, NOTHING if sight.system == main else EVERYTHING)
    if sight.timeline < timeline:
        # It is still before the failover that the transaction came after: its numbers are of a history that is over.
        return Reach(NOTHING, EVERYTHING)
    kept = EVERYTHING
    if sight.timeline > timeline:
        kept = NOTHING if sight.history is None else sight.history.get(timeline, NOTHING)
    return Reach(min(sight.replayed, kept), kept)


def together(reaches: Sequence[Reach], quorum: int) -> Reach:
    """How far at least `quorum` of them get; all the way when none is asked for."""
    if not quorum:
        return Reach(EVERYTHING, EVERYTHING)
    shown = sorted((each.shown for each in reaches), reverse=True)
    kept = sorted((each.kept for each in reaches), reverse=True)
    return Reach(shown[quorum - 1], kept[quorum - 1])


def rule(
    checks: Sequence[Check], sights: Sequence[Sight | None], quorum: int, found: Mapping[str, frozenset[str]]
) -> Ruling:
    """`sights`: one per replica, None for one that is away.  `quorum`: how many of them must show a transaction.

    `found`: replica → ids that a look at the transactions themselves found there, whatever the log says.
    """
    ruling = Ruling([], [], [])
    if not checks:
        return ruling
    main = newest(checks).system
    limits: dict[tuple[str, int], Reach] = {}
    for check in checks:
        history = check.system, check.timeline
        if history not in limits:
            limits[history] = together([reach(sight, *history, main) for sight in sights], quorum)
        limit = limits[history]
        if check.lsn <= limit.shown:
            ruling.replicated.append(check)
        elif check.lsn <= limit.kept:
            ruling.waiting.append(check)
        else:
            _rule_on_stray(check, sights, quorum, found, main, ruling)
    return ruling


def astray(checks: Sequence[Check], sight: Sight) -> list[Check]:
    """Those that this replica will never show, judging by the log alone."""
    main = newest(checks).system
    limits = {each: reach(sight, *each, main).kept for each in {(check.system, check.timeline) for check in checks}}
    return [check for check in checks if check.lsn > limits[check.system, check.timeline]]


def lag(checks: Sequence[Check], sight: Sight) -> int:
    """Bytes of the log that the replica has to replay until it shows all of them; 0 when it does."""
    return max(0, *(check.lsn - sight.replayed for check in checks if check.timeline == sight.timeline), 0)


def newest(checks: Iterable[Check]) -> Check:
    """What was committed last.  Its system is the main database's.  ValueError when there are none."""
    return max(checks, key=lambda check: check.since)


def branches(history: str) -> dict[int, int]:
    """A timeline's history file: timeline → where it ended.  Its lines are `1<tab>0/5000A0<tab>no recovery target`."""
    rows = [line.split(None, 2) for line in history.splitlines()]
    return {int(row[0]): number(row[1]) for row in rows if len(row) > 1 and row[0].isdigit()}


def _rule_on_stray(
    check: Check,
    sights: Sequence[Sight | None],
    quorum: int,
    found: Mapping[str, frozenset[str]],
    main: str,
    ruling: Ruling,
) -> None:
    """By the log too few replicas will ever show it; it may have come to them another way, applied a second time."""
    shown = kept = 0
    for sight in sights:
        each = reach(sight, check.system, check.timeline, main)
        is_found = sight is not None and check.id in found.get(sight.replica, ())
        shown += is_found or check.lsn <= each.shown
        kept += is_found or check.lsn <= each.kept
    (ruling.replicated if shown >= quorum else ruling.waiting if kept >= quorum else ruling.lost).append(check)
