"""One card as people read it: what it is, its attempts with their timelines, its result, the end of its output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from windlass_cli import screen, words
from windlass_cli.harmless import TerminalText, shortened

if TYPE_CHECKING:
    from windlass_client import Attempt, Card, Step, Task

TAIL_BYTES = 16_384
"""Of its output, so much of the end is kept."""
LAST_LINES = 20
STEP_STYLES = {"STATE": "bold", "STAGE": "cyan"}


@dataclass(frozen=True, slots=True)
class FullCard:
    """`card` is None for a task that waits for its first attempt; `output` is the end of the last attempt's."""

    task: Task
    card: Card | None
    steps: Sequence[Step]
    output: bytes

    @property
    def attempts(self) -> Sequence[Attempt]:
        return self.card.attempts if self.card else ()

    @property
    def state(self) -> str:
        return self.card.state if self.card else self.task.state


def lines(full: FullCard) -> Iterator[Text]:
    """The whole card, line by line."""
    now = datetime.now(UTC)
    yield from _head(full, now)
    yield from timeline(full, now)
    yield from result(full)
    if full.output:
        yield from section("Output (its end)", last_lines(full.output))


def _head(full: FullCard, now: datetime) -> Iterator[Text]:
    task = full.task
    name = words.title_of_card(full.card) if full.card else words.title(task)
    yield Text.assemble(screen.styled(name, "bold"), "   ", screen.state(full.state))
    yield from details(full, now)


def details(full: FullCard, now: datetime) -> Iterator[Text]:
    """A line for each thing there is to say of it."""
    task = full.task
    begin = full.attempts[0].started if full.attempts else task.started
    named: list[tuple[str, Text | str]] = [
        ("ID", str(task.id)),
        ("Type", task.kind),
        ("Priority", Text.assemble(screen.badge(task.priority), f" {task.priority}")),
        ("Pool", task.pool),
        ("Initiator", f"{task.initiator} ({words.label(task.origin)}, {task.trigger})"),
        ("Created", words.clock(task.created, now)),
        ("Started", words.clock(begin, now)),
        ("Duration", words.between(begin, task.ended or now)),
        ("Retries", f"{task.retries} of {task.retry_attempts}" if task.retry_attempts else str(task.retries)),
        ("Node", task.node),
        ("Host", _host(task)),
        ("Stage", "" if task.ended else task.stage),
        ("Progress", _progress(task)),
        ("Next try", words.until(task.next_try, now) if task.state == "PENDING" and task.next_try else ""),
        ("Labels", ", ".join(f"{key}={value}" for key, value in sorted(task.labels.items()))),
        ("Message", task.message),
        ("Payload", shortened(json.dumps(task.payload, ensure_ascii=False, default=str))),
    ]
    for name, value in named:
        if value:
            yield Text.assemble((f"{name:<11}", "dim"), value if isinstance(value, Text) else screen.styled(value))


def _host(task: Task) -> str:
    """Of an agent's task: the machine as it was then."""
    if task.host is None:
        return ""
    address = f" ({task.host.addresses[0]})" if task.host.addresses else ""
    return ", ".join(filter(None, (f"{task.host.hostname}{address}", task.host.os, task.host.architecture)))


def _progress(task: Task) -> str:
    if not task.progress or task.ended:
        return ""
    return f"{task.progress.current} of {task.progress.total}" if task.progress.total else str(task.progress.current)


def timeline(full: FullCard, now: datetime) -> Iterator[Text]:
    """Each attempt is a section; what happened before the first, and without a section, comes as it is."""
    sections = {attempt.number: attempt for attempt in full.attempts}
    begin = full.task.created
    for number in sorted({step.attempt for step in full.steps} | set(sections)):
        yield Text("")
        yield _attempt_line(sections[number], now) if number in sections else Text("Before the first attempt", "bold")
        for step in full.steps:
            if step.attempt == number:
                yield _step_line(step, begin)


def _attempt_line(attempt: Attempt, now: datetime) -> Text:
    took = words.between(attempt.started, attempt.ended or now)
    parts: list[Any] = [(f"Attempt {attempt.number}", "bold"), "  ", screen.state(attempt.outcome), f"  {took}"]
    if attempt.node:
        parts.append(screen.styled(f"  on {attempt.node}", "dim"))
    if attempt.message:
        parts.append(screen.styled(f"  {attempt.message}"))
    return Text.assemble(*parts)


def _step_line(step: Step, begin: datetime | None) -> Text:
    time = f"{step.time.astimezone():%H:%M:%S.%f}"[:-3] if step.time else " " * 12
    since = f"+{words.between(begin, step.time)}"
    text = f"stage: {step.text}" if step.type == "STAGE" else step.text
    parts: list[Any] = [
        (f"  {time}  ", "dim"),
        (f"{since:>12}  ", "dim"),
        screen.styled(text, STEP_STYLES.get(step.type, "")),
    ]
    if step.data is not None:
        parts.append(screen.styled("  " + shortened(json.dumps(step.data, ensure_ascii=False, default=str)), "dim"))
    return Text.assemble(*parts)


def result(full: FullCard) -> Iterator[Text]:
    """What the handler returned, if anything."""
    if full.task.result is not None:
        yield from section("Result", json.dumps(full.task.result, ensure_ascii=False, indent=2).splitlines())


def section(name: str, content: Sequence[str]) -> Iterator[Text]:
    """A heading, and its lines."""
    yield Text("")
    yield Text(name, "bold")
    for line in content:
        yield Text.assemble("  ", screen.styled(line))


def last_lines(output: bytes) -> list[str]:
    """Harmless, and without colours."""
    text = TerminalText()
    shown = (text.feed(output) + text.close()).splitlines()
    return [Text.from_ansi(line).plain for line in shown[-LAST_LINES:]]
