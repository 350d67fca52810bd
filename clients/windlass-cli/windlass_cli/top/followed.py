"""The task in the details pane: what its events have told, and what the server says of it beside them."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text
from windlass_client import (
    OutputWritten,
    ProgressMade,
    StageEntered,
    State,
    StateChanged,
    Step,
    StepType,
    StepWritten,
)

from windlass_cli import card, explaining, screen, words
from windlass_cli.top.columns import progress

if TYPE_CHECKING:
    from windlass_client import Card, Event, Gate, Task

STEPS = 200
OUTPUT_LINES = 8


class Followed:
    def __init__(self, id: int) -> None:
        self.id = id
        self.task: Task | None = None
        self.trouble = ""
        self.last = 0
        """The sequence of its newest event."""
        self._card: Card | None = None
        self._gates: Sequence[Gate] = ()
        self._steps: deque[Step] = deque(maxlen=STEPS)
        self._tail = bytearray()
        self._attempt = 0

    def take(self, event: Event) -> bool:
        """Whether the task is to be read again: its state has changed."""
        self.last = event.sequence
        match event:
            case StepWritten():
                self._step(event, StepType.STEP, event.text, event.data)
            case StageEntered():
                self._step(event, StepType.STAGE, event.stage)
                self._now(stage=event.stage)
            case ProgressMade():
                self._now(progress=event.progress)
            case OutputWritten():
                self._write(event)
            case StateChanged():
                said = f": {event.message}" if event.message else ""
                self._step(event, StepType.STATE, words.label(event.state) + said)
                return True
        return False

    def learn(self, task: Task, card: Card | None, gates: Sequence[Gate]) -> None:
        self.task, self._card, self._gates = task, card, gates

    @property
    def waits(self) -> bool:
        return self.task is not None and self.task.state is State.PENDING

    def lines(self) -> list[Text]:
        """What is live comes first: how it stands, why it waits, the end of its output; then all the rest."""
        if self.task is None:
            return [screen.styled(self.trouble or f"task {self.id} …", "dim")]
        now = datetime.now(UTC)
        full = card.FullCard(self.task, self._card, list(self._steps), bytes(self._tail))
        trouble = [screen.styled(self.trouble, "bold red")] if self.trouble else []
        why = explaining.lines(self.task, self._gates) if self.waits else ()
        said = card.last_lines(full.output)[-OUTPUT_LINES:]
        output = card.section("Output (its end)", said) if said else ()
        rest = (*card.timeline(full, now), *card.result(full), Text(""), *card.details(full, now))
        return [_standing(self.task, now), *trouble, *why, *output, *rest]

    def _step(self, event: Event, type: StepType, text: str, data: object = None) -> None:
        self._steps.append(Step(event.sequence, event.attempt, event.time, type, text, data))

    def _now(self, **known: object) -> None:
        if self.task is not None:
            self.task = dataclasses.replace(self.task, **known)  # type: ignore[arg-type]

    def _write(self, event: OutputWritten) -> None:
        """The end of what the last attempt has written."""
        if event.attempt != self._attempt:
            self._attempt = event.attempt
            self._tail.clear()
        self._tail += event.data
        del self._tail[: -card.TAIL_BYTES]


def _standing(task: Task, now: datetime) -> Text:
    """Its title and state; while it runs for how long, where, and how far it is."""
    parts = [screen.styled(f"{task.id} {words.title(task)}", "bold"), Text("  "), screen.state(task.state)]
    if task.state in (State.RUNNING, State.CANCELLING):
        runs = f"  {words.between(task.started, now)} on {task.node}, attempt {task.attempt}"
        parts.append(screen.styled(runs, "dim"))
        parts += [screen.styled(f"  {said}") for said in (task.stage, progress(task.progress)) if said]
    elif task.message:
        parts.append(screen.styled(f"  {task.message}"))
    return Text.assemble(*parts)
