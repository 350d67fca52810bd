"""Decides from what the replicas say which transactions they show. No I/O and no clock.

A position means nothing by itself: it counts in one history of one database cluster. The *system identifier* tells
which cluster, the *timeline* which history. A promoted replica starts a new timeline that branches off where its replay
ended; what the old primary wrote behind that point is on the old timeline only, however far the new one gets.

    timeline 1  ────────┬──────── C      C is committed, and lost with the old primary
    timeline 2          └───────────     a replica here reaches C's number without having C
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from windlass_buffer.lsn import number


@dataclass(frozen=True, slots=True)
class Check:
    """A transaction whose replication is followed. `lsn` was read after its COMMIT; `since` is a Unix time."""

    id: str
    lsn: int
    system: str
    timeline: int
    since: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What one replica said at one look. `history`: timeline → where it ended, of those its own one came from.

    None where the history is not to be read: then nobody knows what an earlier timeline's position means here.
    """

    replica: str
    system: str
    timeline: int
    replayed: int
    history: Mapping[int, int] | None = None
    primary: bool = False


class Word(Enum):
    """What a replica says about one transaction."""

    SHOWN = "shown"
    WAITING = "waiting"
    LOST = "lost"
    """It is on a timeline that branched off before the transaction: it will never show it by replaying."""
    FOREIGN = "foreign"
    """It copies another database cluster."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """The checks by what is to be done: clean up, go on waiting, report as missing."""

    replicated: tuple[Check, ...]
    waiting: tuple[Check, ...]
    lost: tuple[Check, ...]


def word(check: Check, sight: Sight) -> Word:
    if sight.system != check.system:
        return Word.FOREIGN
    if sight.timeline < check.timeline:
        # Behind the failover that the transaction came after: its numbers are of a history that is over.
        return Word.WAITING
    if sight.timeline > check.timeline and not _kept(check, sight.history):
        return Word.LOST
    return Word.SHOWN if sight.replayed >= check.lsn else Word.WAITING


def rule(
    checks: Iterable[Check], sights: Sequence[Sight | None], quorum: int, shown: Mapping[str, frozenset[str]]
) -> Ruling:
    """`sights`: one per replica, None for one that is away. `quorum`: how many must show a transaction.

    `shown`: replica → ids that were found there by a look at the transactions themselves, whatever the log says.
    """
    ruled: dict[Word, list[Check]] = {found: [] for found in Word}
    checks = list(checks)
    ours = newest_system(checks)
    for check in checks:
        words = [_told(check, sight, ours, shown) for sight in sights]
        if words.count(Word.SHOWN) >= quorum:
            ruled[Word.SHOWN].append(check)
        elif words.count(Word.LOST) > len(sights) - quorum:
            ruled[Word.LOST].append(check)
        else:
            ruled[Word.WAITING].append(check)
    return Ruling(tuple(ruled[Word.SHOWN]), tuple(ruled[Word.WAITING]), tuple(ruled[Word.LOST]))


def astray(checks: Sequence[Check], sight: Sight) -> list[Check]:
    """Those that this replica will never show, judging by the log alone."""
    ours = newest_system(checks)
    return [check for check in checks if _told(check, sight, ours, {}) is Word.LOST]


def newest_system(checks: Iterable[Check]) -> str:
    """The cluster that was written to last, which is the main database; "" when nothing is followed."""
    newest = max(checks, key=lambda check: check.since, default=None)
    return newest.system if newest else ""


def lag(checks: Iterable[Check], sight: Sight) -> int:
    """Bytes of the log that the replica has to replay until it shows all of them; 0 when it does."""
    return max((check.lsn - sight.replayed for check in checks if word(check, sight) is Word.WAITING), default=0)


def branches(history: str) -> dict[int, int]:
    """A timeline's history file: timeline → where it ended. Its lines are `1<tab>0/5000A0<tab>no recovery target`."""
    rows = [line.split(None, 2) for line in history.splitlines()]
    return {int(row[0]): number(row[1]) for row in rows if len(row) > 1 and not row[0].startswith("#")}


def _told(check: Check, sight: Sight | None, ours: str, shown: Mapping[str, frozenset[str]]) -> Word:
    if sight is None:
        return Word.WAITING
    said = word(check, sight)
    if said is Word.FOREIGN and sight.system == ours:
        # Not the replica is of another cluster but the transaction: the main database was replaced since.
        said = Word.LOST
    return Word.SHOWN if said is Word.LOST and check.id in shown.get(sight.replica, ()) else said


def _kept(check: Check, history: Mapping[int, int] | None) -> bool:
    """Whether it is before the point where its timeline was left.  A timeline never gone through has none."""
    return history is not None and check.lsn <= history.get(check.timeline, -1)
