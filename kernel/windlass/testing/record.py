"""What came of an attempt: the record a test looks at, with assertions that tell the whole story when they fail."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.core.interrupts import Rung
from windlass.core.lifecycle import State, Verdict

NOT_SAID: Any = object()
"""For a result: None is a result too."""


class Stage(msgspec.Struct, frozen=True):
    """`at` is seconds after the attempt began, `seconds` how long the stage lasted."""

    name: str
    at: float
    seconds: float


class Step(msgspec.Struct, frozen=True):
    text: str
    at: float
    data: Any = None


class Progress(msgspec.Struct, frozen=True):
    current: int
    total: int | None
    at: float


class Child(msgspec.Struct, frozen=True):
    """A task that the handler asked for.  `task` is its number; the same name gives the same one in each attempt."""

    task: int
    kind: str
    payload: Any
    name: str | None
    wishes: dict[str, Any]
    """What else was asked of it: title, priority, delay, after, …"""
    at: float


class Visit(msgspec.Struct, frozen=True):
    """A lane that the handler was in: `at` is when it came in, `seconds` how long it stayed."""

    name: str
    fence: int
    at: float
    seconds: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, as the store and the history have it after its end.  Times are seconds."""

    kind: str
    task: int
    title: str
    attempt: int
    retries: int
    verdict: Verdict
    """How this attempt ended: SUCCESS, FAILED, RETRY, CANCELED, or LOST."""
    state: State
    """Where the task stands now: PENDING when it is tried again."""
    message: str
    result: Any
    pause: float | None
    """Until the next try; None when there is none."""
    seconds: float
    stages: tuple[Stage, ...]
    steps: tuple[Step, ...]
    progress: tuple[Progress, ...]
    """Every value the handler gave; the store keeps the last one."""
    output: dict[str, bytes]
    """By stream, as it was kept."""
    dropped: int
    """Bytes of output that the kind's `output_cap` left out."""
    ended_by: Rung | None
    """For an interrupted attempt: ASKED, RAISED, or ABANDONED when the handler ignored both."""
    cleanups: int
    """How often `cleanup` was called."""
    cleanup_error: str
    children: tuple[Child, ...]
    """What it enqueued, in this order; none of them is run."""
    lanes: tuple[Visit, ...]
    """The lanes it was in, in the order of its coming."""
    returned: Any
    """What `run` returned; None when it raised."""
    error: BaseException | None
    """What `run` raised, its traceback included."""
    left_behind: tuple[str, ...]
    """asyncio tasks that the handler started and that still run."""

    def assert_succeeded(self, result: Any = NOT_SAID) -> Run:
        """It succeeded, with this result when one is named (as JSON has it: tuples are lists)."""
        self._assert(self.verdict is Verdict.SUCCESS, "a success")
        if result is not NOT_SAID:
            self._assert(self.result == result, f"the result {result!r}, not {self.result!r}")
        return self

    def assert_failed(self, message: str = "") -> Run:
        """It failed for good; `message` is a part of what it said."""
        return self._assert_ended(Verdict.FAILED, "a failure", message)

    def assert_retries(self, message: str = "", *, after: float | None = None) -> Run:
        """It is tried again, `after` so many seconds; `message` is a part of what it said."""
        self._assert_ended(Verdict.RETRY, "another try", message)
        if after is not None:
            self._assert(self.pause == after, f"another try after {after:g} s, not after {self.pause:g} s")
        return self

    def assert_canceled(self, by: Rung | None = None) -> Run:
        """An interrupt ended it; `by` is the rung it took."""
        self._assert(self.verdict is Verdict.CANCELED, "a canceled task")
        self._assert(self.ended_by is not Rung.ABANDONED, "a handler that heeds its interrupt")
        if by is not None:
            self._assert(self.ended_by is by, f"an end by being {by.value}, not {self._rung()}")
        return self

    def assert_stages(self, *names: str) -> Run:
        """Exactly these stages, in this order."""
        said = [stage.name for stage in self.stages]
        self._assert(said == list(names), f"the stages {list(names)}, not {said}")
        return self

    def assert_step(self, text: str, **data: Any) -> Run:
        """A step whose text holds `text`, and whose data has at least `data`."""
        for step in self.steps:
            if text in step.text and (step.data or {}).items() >= data.items():
                return self
        self._assert(False, f"a step with {text!r}" + (f" and {data}" if data else ""))
        return self

    def assert_children(self, *kinds: str) -> Run:
        """It enqueued tasks of exactly these kinds, in this order."""
        made = [child.kind for child in self.children]
        self._assert(made == list(kinds), f"children of the kinds {list(kinds)}, not {made}")
        return self

    def told(self) -> str:
        """The attempt as a person would tell it: how it ended, then its timeline."""
        lines = [f"{self.kind}, attempt {self.attempt}: {self.verdict.name} after {self.seconds:g} s"]
        if self.pause is not None:
            lines[0] += f", again in {self.pause:g} s"
        if self.message:
            lines[0] += f": {self.message}"
        timeline = [(stage.at, f"stage {stage.name}") for stage in self.stages]
        timeline += [(step.at, f"step {step.text}" + (f" {step.data}" if step.data else "")) for step in self.steps]
        timeline += [(value.at, f"progress {value.current}/{value.total or '?'}") for value in self.progress]
        timeline += [(child.at, f"child {child.kind} {child.payload}") for child in self.children]
        timeline += [(visit.at, f"lane {visit.name} for {visit.seconds:g} s") for visit in self.lanes]
        lines += [f"{at:10.3f} s  {what}" for at, what in sorted(timeline, key=lambda line: line[0])]
        lines += [f"    {stream}: {len(data)} bytes, ends {data[-60:]!r}" for stream, data in self.output.items()]
        return "\n".join(lines)

    def _assert_ended(self, verdict: Verdict, what: str, message: str) -> Run:
        self._assert(self.verdict is verdict, what)
        self._assert(message in self.message, f"a message with {message!r}")
        return self

    def _assert(self, holds: bool, wanted: str) -> None:
        if not holds:
            raise AssertionError(f"expected {wanted}\n{self.told()}") from self.error

    def _rung(self) -> str:
        return self.ended_by.value if self.ended_by else "uninterrupted"
