"""Compares the ledger with the database, once everything has drained.

I1 no loss · I2 no invention · I3 one result · I4 no write of a zombie · I6 every repeat explained · I8 one task an id ·
I13 an accepted interrupt ends the task
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.chaos.database import Database
from tests.chaos.ledger import Ledger, Line

COMPLETED, FAILED, CANCELED = 4, 5, 6
LOST = 6
EXPECTED = {"fail": {FAILED}}
INTERRUPT_BOUND = 45.0
"""Seconds: the ladder, a lost node's lease and scan, and a database that was away meanwhile."""
SLACK = 1.0
"""Seconds that a recovery's transaction may take from its beginning, which dates it, to its commit."""

Ended = dict[int, tuple[Any, ...]]

TASKS = """
select t.id, t.payload->>'key', (select count(*) from windlass.place p where p.id = t.id)
from windlass.task t where t.kind = 'Act'
"""
OUTCOMES = "select id, state, attempt, extract(epoch from ended_at)::float8, message, result from windlass.outcome"
ATTEMPTS = "select task, attempt, verdict, extract(epoch from ended_at)::float8, node from windlass.attempt"


class Counts(NamedTuple):
    """The numbers of the last line."""

    attempts: int
    acked: int
    lost: int
    unexpected: int
    duplicated: int
    explained: int
    zombie_tried: int
    zombie_accepted: int
    recovered: int


class Judge:
    """`wrong` says what does not hold, one sentence each; the counts of the last line follow from the same facts."""

    def __init__(self, ledger: Ledger, database: Database, hits: Iterable[Line]) -> None:
        self.wrong: list[str] = []
        self._submitted = list(ledger.lines())
        self._executions = list(ledger.executions())
        self._hits = list(hits)
        tasks = database.patiently(TASKS)
        self._places = {key: (task, places) for task, key, places in tasks}
        self._doubles = [key for key, count in Counter(key for _, key, _ in tasks).items() if count > 1]
        self._outcomes: Ended = {row[0]: row[1:] for row in database.patiently(OUTCOMES)}
        self._attempts = {(row[0], row[1]): row[2:] for row in database.patiently(ATTEMPTS)}
        self._how = {line["key"]: line["how"] for line in self._of("try")}

    def judge(self, seen: Ended) -> Counts:
        """`seen`: outcomes that were read during the run, which must not have changed since."""
        duplicated, explained = self._repeats()
        tried, accepted = self._zombies()
        unexpected = self._inventions() + self._results(seen) + self._bent() + self._interrupts()
        acked = {line["key"] for line in self._of("ack")}
        return Counts(
            attempts=len(self._how),
            acked=len(acked),
            lost=self._lost(acked),
            unexpected=unexpected,
            duplicated=duplicated + self._enqueued_twice(),
            explained=explained,
            zombie_tried=tried,
            zombie_accepted=accepted,
            recovered=sum(row[0] == LOST for row in self._attempts.values()),
        )

    def recoveries(self, hurt: Iterable[tuple[float, int]], epochs: dict[int, tuple[int, float]]) -> list[float]:
        """Seconds from each kill or freeze (time, pid) to the recovery of what that process held.

        `epochs`: pid and time of joining by node id.
        """
        found = []
        blows = sorted(hurt)
        for verdict, ended, node in self._attempts.values():
            pid, joined = epochs.get(node, (0, 0.0))
            before = [at for at, victim in blows if victim == pid and joined <= at <= ended]
            if verdict == LOST and before:
                found.append(ended - before[-1])
        return found

    def interrupts(self) -> int:
        return len(list(self._of("interrupted")))

    def _of(self, what: str) -> Iterable[Line]:
        return (line for line in self._submitted if line["what"] == what)

    def _blame(self, words: str, cases: list[Any]) -> int:
        if cases:
            self.wrong.append(f"{words}: {len(cases)}, e.g. {cases[:3]}")
        return len(cases)

    def _lost(self, acked: set[str]) -> int:
        ended = {key for key, (task, places) in self._places.items() if places == 1 and task in self._outcomes}
        lost = self._blame("I1: acknowledged, and not there or not ended", sorted(acked - ended))
        ids = [line for line in self._of("ack") if self._places.get(line["key"], (line["task"],))[0] != line["task"]]
        return lost + self._blame("I1: acknowledged under another id than it has", ids)

    def _enqueued_twice(self) -> int:
        return self._blame("I8: one request id made several tasks", self._doubles)

    def _bent(self) -> int:
        wrong = [line for line in self._of("bent") if line["reason"] != "REQUEST_ID_REUSED"]
        refused = list(self._of("refused"))
        return self._blame("I8: another body under a used id was not refused", wrong) + self._blame(
            "a good request was refused", refused
        )

    def _inventions(self) -> int:
        unknown = [key for key in self._places if key not in self._how]
        strangers = [line for line in self._executions if line["task"] != self._places.get(line["key"], (0,))[0]]
        effects = {(line["task"], line["attempt"]) for line in self._executions if line["what"] == "effect"}
        hollow = [
            (task, facts[1])
            for task, facts in self._outcomes.items()
            if facts[0] in (COMPLETED, FAILED) and (task, facts[1]) not in effects
        ]
        return (
            self._blame("I2: tasks nobody asked for", unknown)
            + self._blame("I2: executions of no task", strangers)
            + self._blame("I2: results without the effect of their attempt", hollow)
        )

    def _repeats(self) -> tuple[int, int]:
        """Executions too many without and with a recorded reason."""
        starts: dict[int, list[int]] = defaultdict(list)
        for line in self._executions:
            if line["what"] == "start":
                starts[line["task"]].append(line["attempt"])
        unexplained = []
        explained = 0
        for task, attempts in starts.items():
            final = self._outcomes.get(task, (0, 0))[1]
            reasons = {attempt for attempt in attempts if (task, attempt) in self._attempts}
            extra = [attempt for attempt in set(attempts) if attempt != final and attempt not in reasons]
            unexplained += [(task, attempt) for attempt in extra]
            unexplained += [(task, attempt) for attempt, count in Counter(attempts).items() if count > 1]
            explained += len(reasons)
        return self._blame("I6: executions that nothing explains", unexplained), explained

    def _results(self, seen: Ended) -> int:
        changed = [task for task, facts in seen.items() if self._outcomes.get(task) != facts]
        late = [
            task
            for task, (_, attempt, _, _, result) in self._outcomes.items()
            if result is not None and result["attempt"] != attempt
        ]
        # One that was canceled while it waited keeps the number of the attempt before.
        final = {(task, facts[1]) for task, facts in self._outcomes.items() if facts[0] != CANCELED}
        both = [name for name in self._attempts if name in final]
        return (
            self._blame("I3: a result changed", changed)
            + self._blame("I4: a result is not of the newest attempt", late)
            + self._blame("I3: an attempt that ended twice", both)
            + self._blame("I3: an end that the task could not have", self._impossible())
        )

    def _impossible(self) -> list[tuple[str, int]]:
        interrupted = {line["key"] for line in self._of("interrupted")}
        found = []
        for key, (task, _) in self._places.items():
            how = self._how.get(key, "")
            expected = EXPECTED.get(how, {COMPLETED}) | ({CANCELED} if how in ("long", "stubborn") else set())
            if key in interrupted:
                expected = {CANCELED}
            if task in self._outcomes and self._outcomes[task][0] not in expected:
                found.append((how, task))
        return found

    def _interrupts(self) -> int:
        late = []
        for line in self._of("interrupted"):
            state, _, ended, *_ = self._outcomes.get(line["task"], (0, 0, 0.0))
            if state != CANCELED or ended - line["at"] > INTERRUPT_BOUND:
                late.append((line["task"], state, round(ended - line["at"], 1)))
        return self._blame("I13: an accepted interrupt did not end its task in time", late)

    def _zombies(self) -> tuple[int, int]:
        """Writes for attempts that recovery had taken away: tried, and accepted."""
        lost = {name: ended for name, (verdict, ended, _) in self._attempts.items() if verdict == LOST}
        for task, (_, attempt, ended, message, _) in self._outcomes.items():
            if message.endswith("its node was lost"):
                lost[task, attempt] = ended
        tried, accepted = 0, []
        for hit in self._hits:
            if hit["place"] not in ("finish.committed", "say.committed") or hit["action"] != "note":
                continue
            for task, attempt in zip(_numbers(hit["tasks"]), _numbers(hit["attempts"]), strict=True):
                taken = lost.get((task, attempt))
                if taken is None:
                    continue
                if task not in hit["accepted"]:
                    tried += 1
                elif hit["place"] == "finish.committed" or hit["asked"] > taken + SLACK:
                    tried += 1
                    accepted.append((hit["place"], task, attempt))
        return tried, self._blame("I4: a write of a zombie was accepted", accepted)


def _numbers(array: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", array)]
