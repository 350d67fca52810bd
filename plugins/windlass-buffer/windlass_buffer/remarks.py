"""What the tracker says for people: each thing once, when it begins and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from windlass_buffer_client import lsn

from windlass_buffer.replication import Check, Sight, lag

NAMED = 20  # ids in a text; the data beside it has up to IDS
IDS = 300


class Remarks:
    """`say(text, **data)` makes a step of the task's card."""

    def __init__(self, site: str, say: Callable[..., None]) -> None:
        self.say = say
        self.redis_is_away = False
        self._site = site
        self._foreign: set[str] = set()
        self._timelines: dict[str, int] = {}
        self._is_late = False

    def redis_away(self, error: Exception) -> None:
        if not self.redis_is_away:
            self.redis_is_away = True
            self.say(f"Redis is away ({error}). What the replicas have to show is kept and followed when it is back")

    def redis_answers(self) -> None:
        if self.redis_is_away:
            self.redis_is_away = False
            self.say("Redis answers again; replication is followed on")

    def is_ours(self, sight: Sight, main: str) -> bool:
        """Whether it copies the main database; says so once when it does not."""
        ours = main in {"", sight.system}
        if not ours and sight.replica not in self._foreign:
            self.say(
                f"Replica {sight.replica} is refused: it copies another database cluster (system {sight.system},"
                f" the main database is {main}). Correct its dsn at site {self._site}; until then it counts as away",
                replica=sight.replica,
                system=sight.system,
                main=main,
            )
        (self._foreign.discard if ours else self._foreign.add)(sight.replica)
        return ours

    def timelines(self, sights: Sequence[Sight | None], newest: Check) -> None:
        """A failover begins a new timeline; whether it lost anything is said when that is known.

        Of a replica that was not seen before, `newest`, what was committed last, tells the timeline that was.
        """
        for sight in sights:
            if sight is None:
                continue
            before = self._timelines.get(sight.replica, newest.timeline)
            if before < sight.timeline:
                how = "was promoted" if sight.promoted else "follows a new primary"
                change = f"timeline {before} → {sight.timeline}{_branch(sight, before)}"
                self.say(f"Failover: replica {sight.replica} {how}, {change}")
            self._timelines[sight.replica] = sight.timeline

    def late(
        self, checks: Collection[Check], sights: Sequence[Sight | None], names: Sequence[str], before: float
    ) -> None:
        """When the oldest is followed for longer than the timeout."""
        late = [check for check in checks if check.since < before]
        if late and not self._is_late:
            where = ", ".join(_standing(name, sight, late) for name, sight in zip(names, sights, strict=True))
            self.say(
                f"{len(late)} transactions are not shown by enough replicas after the timeout: {where}."
                " The cache keeps them; they are followed on, more slowly",
                transactions=len(late),
            )
        elif not late and self._is_late:
            self.say("The replicas have caught up")
        self._is_late = bool(late)

    def lost(self, checks: Sequence[Check]) -> None:
        first = min(check.lsn for check in checks)
        ids = [check.id for check in checks]
        named = ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
        self.say(
            f"Failover: {len(ids)} committed transactions may be missing in the new main database, from position"
            f" {lsn.text(first)} of timeline {checks[0].timeline} on: {named}. See them with `windlass buffer gaps`",
            missing=len(ids),
            ids=ids[:IDS],
        )


def _branch(sight: Sight, before: int) -> str:
    end = (sight.history or {}).get(before)
    return "" if end is None else f", branched off at {lsn.text(end)}"


def _standing(name: str, sight: Sight | None, late: Sequence[Check]) -> str:
    return f"{name} is away" if sight is None else f"{name} is {lag(late, sight):,} bytes behind"
