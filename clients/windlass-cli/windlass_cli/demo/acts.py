"""What the demo plays: five real scripts, and how each of them has to end."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass, field
from importlib.resources import files

from windlass_client import NewTask, OutputWritten, StageEntered, State, StateChanged
from windlass_client.events import Event

KIND = "ExecuteScript"


@dataclass(frozen=True, slots=True)
class Act:
    """`interrupt_behind` is the number of lines after which somebody interrupts it; 0 means nobody does."""

    name: str
    title: str
    priority: int = 5
    arguments: tuple[str, ...] = ()
    retry_pause: float = 1.0
    ends: State = State.COMPLETED
    attempts: int = 1
    floods: bool = False
    interrupt_behind: int = 0

    def task(self) -> NewTask:
        script = (files("windlass_cli") / "demo_scripts" / f"{self.name}.sh").read_text()
        payload = {"script": script, "interpreter": "sh", "args": list(self.arguments), "timeout": 100}
        return NewTask(
            KIND, payload, title=self.title, priority=self.priority, retry_attempts=5, retry_pause=self.retry_pause
        )


ACTS = (
    Act("inventory", "Inventory of disks and processes", priority=10),
    Act("checksum", "Checksum of the installed packages", arguments=(sysconfig.get_path("purelib"),)),
    Act("flaky", "Fails twice, then succeeds", attempts=3),
    Act("long", "A long count, interrupted on its way", ends=State.CANCELED, interrupt_behind=8),
    Act("flood", "Far more output than anybody reads", priority=1, floods=True),
)


@dataclass(slots=True)
class Part:
    """One act while it is played: what its events have said so far."""

    act: Act
    id: int
    state: State = State.PENDING
    attempt: int = 0
    stage: str = ""
    message: str = ""
    began: float | None = None
    ended: float | None = None
    lines: int = 0
    last_line: str = ""
    dropped: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def take(self, event: Event, now: float) -> list[str]:
        """Learns from one event; returns the lines of output it completed."""
        self.attempt = max(self.attempt, event.attempt)
        match event:
            case StateChanged():
                self.state, self.message = event.state, event.message
                if event.state is State.RUNNING and self.began is None:
                    self.began = now
                if event.state.final:
                    self.ended = now
                    return self._complete(b"\n") if self._rest else []
            case StageEntered():
                self.stage = event.stage
            case OutputWritten():
                self.dropped += event.dropped
                return self._complete(event.data)
        return []

    def _complete(self, data: bytes) -> list[str]:
        *complete, self._rest = (self._rest + data).split(b"\n")
        self.lines += len(complete)
        texts = [line.decode("utf-8", "replace") for line in complete]
        self.last_line = next((text for text in reversed(texts) if text.strip()), self.last_line)
        return texts

    def problem(self) -> str:
        """How it did not end as it should; empty when it did."""
        if self.state is not self.act.ends:
            why = f": {self.message}" if self.message else ""
            return f"should be {self.act.ends.capitalize()}, is {self.state.capitalize()}{why}"
        if self.attempt < self.act.attempts:
            return f"should take {self.act.attempts} attempts, took {self.attempt}"
        if self.act.floods and not self.dropped:
            return "should have flooded its output, but nothing was left out"
        return ""
