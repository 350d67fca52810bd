"""Who may go on and who waits: the order of each key while one of its entries fails.  Pure: `now` is an argument.

Entries of one key are applied in the order of the queue.  One that fails is tried again after a pause; meanwhile those
that come after it stand in its line.  Other keys go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from windlass_buffer_client.envelope import Entry

from windlass_buffer.statements import Step


@dataclass(slots=True, eq=False)
class Work:
    """One entry in hand: as it stood in the list, what it says, and what that means here."""

    raw: bytes
    entry: Entry
    steps: Sequence[Step]

    @property
    def key(self) -> str:
        return self.entry.key


@dataclass(slots=True)
class _Line:
    until: float
    works: list[Work]


class Lines:
    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def __len__(self) -> int:
        """How many entries wait."""
        return sum(len(line.works) for line in self._lines.values())

    def admit(self, works: Iterable[Work]) -> list[Work]:
        """Those whose key nobody holds; the others go to the end of their line."""
        if not self._lines:
            return list(works)
        free = []
        for work in works:
            if (line := self._lines.get(work.key)) is not None:
                line.works.append(work)
            else:
                free.append(work)
        return free

    def hold(self, works: Sequence[Work], until: float) -> None:
        """These of one key wait, the first because it failed; nobody of that key waits yet."""
        assert works[0].key not in self._lines
        self._lines[works[0].key] = _Line(until, list(works))

    def release(self, now: float) -> list[Work]:
        """Those whose pause is over, in the order of each key; none of them waits any more."""
        due = [key for key, line in self._lines.items() if line.until <= now]
        return [work for key in due for work in self._lines.pop(key).works]

    @property
    def next_at(self) -> float | None:
        return min((line.until for line in self._lines.values()), default=None)

    def waiting(self) -> Iterable[Work]:
        return (work for line in self._lines.values() for work in line.works)


def reached(finished: Iterable[Entry], unfinished: Iterable[Entry]) -> tuple[str, int]:
    """The epoch and number up to which everything is finished, once `finished` are; "" and 0 when that is unknown.

    A number that is still worked on holds it back: what is lost with Redis is then told as lost, not as done.
    """
    epoch, seq = "", 0
    for entry in finished:
        if entry.seq:
            seq = max(seq, entry.seq) if entry.epoch == epoch else entry.seq
            epoch = entry.epoch
    held = [entry.seq - 1 for entry in unfinished if entry.seq and entry.epoch == epoch]
    return epoch, max(0, min([seq, *held]))
