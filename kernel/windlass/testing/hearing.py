"""From what the store, the witness and the watched handler know to the record of an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from windlass.core.interrupts import Rung
from windlass.core.lifecycle import Verdict
from windlass.store.facts import Claimed, Ended, EventFacts, TaskFacts
from windlass.testing.record import Child, Progress, Run, Stage, Step, Visit
from windlass.testing.watching import WatchedHandler

replace = msgspec.structs.replace
STAGE, STEP, OUTPUT = 2, 3, 5
STREAMS = {1: "stdout", 2: "stderr"}
CLEANUP_FAILED = "cleanup failed: "


class Heard(msgspec.Struct, frozen=True):
    """What an attempt said.  `started` is the wall clock's and `began` the monotonic clock's word for one moment."""

    events: Sequence[EventFacts]
    started: datetime
    progress: Sequence[tuple[int, float, int, int | None]]
    children: Sequence[Child]
    lanes: Sequence[Visit]
    began: float
    seconds: float

    def at(self, event: EventFacts) -> float:
        return round((event.at - self.started).total_seconds(), 3)

    def stages(self) -> tuple[Stage, ...]:
        begun = [(event.text, self.at(event)) for event in self.events if event.type == STAGE]
        ends = [*begun, ("", round(self.seconds, 3))]
        return tuple(Stage(name, at, round(end - at, 3)) for (name, at), (_, end) in pairwise(ends))

    def steps(self) -> tuple[Step, ...]:
        said = [event for event in self.events if event.type == STEP]
        return tuple(Step(event.text, self.at(event), _json(event.data)) for event in said)

    def output(self) -> dict[str, bytes]:
        kept: dict[str, bytes] = {}
        for event in self.events:
            if event.type == OUTPUT:
                kept[STREAMS[event.stream]] = kept.get(STREAMS[event.stream], b"") + (event.data or b"")
        return kept


def record(
    claimed: Claimed,
    facts: TaskFacts,
    end: Ended,
    rung: Rung | None,
    heard: Heard,
    handler: WatchedHandler,
    left: Sequence[asyncio.Task[Any]],
) -> Run:
    steps = heard.steps()
    untidy = [step.text for step in steps if step.text.startswith(CLEANUP_FAILED)]
    return Run(
        kind=claimed.kind,
        task=claimed.id,
        title=claimed.title,
        attempt=claimed.attempt,
        retries=claimed.retries,
        verdict=end.verdict,
        state=facts.state,
        message=facts.message or end.message,
        result=_json(facts.result),
        pause=end.pause if end.verdict is Verdict.RETRY else None,
        seconds=round(heard.seconds, 3),
        stages=heard.stages(),
        steps=steps,
        progress=tuple(Progress(now, total, round(at - heard.began, 3)) for _, at, now, total in heard.progress),
        output=heard.output(),
        dropped=sum(event.dropped for event in heard.events),
        ended_by=rung,
        children=tuple(replace(child, at=round(child.at - heard.began, 3)) for child in heard.children),
        lanes=tuple(replace(visit, at=round(visit.at - heard.began, 3)) for visit in heard.lanes),
        cleanups=handler.cleanups,
        cleanup_error=untidy[-1].removeprefix(CLEANUP_FAILED) if untidy else "",
        returned=handler.returned,
        error=handler.error,
        left_behind=tuple(getattr(task.get_coro(), "__qualname__", repr(task)) for task in left),
    )


def _json(encoded: bytes | None) -> Any:
    return None if encoded is None else msgspec.json.decode(encoded)
