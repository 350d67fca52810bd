"""What `-o json` prints: one object or one array, with keys that stay.

task (`enqueue`, `interrupt`, each of `active`): id, kind, title, priority, pool, trigger, origin, initiator, labels,
payload, retry_attempts, retry_pause, created, state, next_try, started, ended, attempt, retries, node, stage, progress
{current, total}, message, result, parent, retry_of, coalesce_key, trace
{traceparent, tracestate}.

card (each of `history`): id, state, task.

full card (`show`, and `run-script` and `enqueue --wait` at the end): id, state, task, attempts [number, outcome, node,
started, ended, message], steps [sequence, attempt, time, type, text, data], output (the last lines, as text).

event (each of `watch`): sequence, attempt, time, event (state, stage, progress, step, output or unknown), and what
belongs to it: state, message, node, next_try, result; stage; progress; text, data; stream, data (text), dropped.

Times are ISO 8601 in UTC, durations seconds, what is unset is null or empty.  New keys may come, old ones do not go.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from windlass_cli import yaml
from windlass_cli.options import Format

if TYPE_CHECKING:
    from windlass_client import BulkReceipt, Card, Event, Gate, Picture, QueueChange, Receipt, Step, Task

    from windlass_cli.checkup import Finding

EVENTS = {
    "StateChanged": "state",
    "StageEntered": "stage",
    "ProgressMade": "progress",
    "StepWritten": "step",
    "OutputWritten": "output",
}
CHANGES = {"TaskSeen": "task", "TaskGone": "gone", "QueueCurrent": "current"}
UNPRINTABLE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def of_task(task: Task) -> dict[str, Any]:
    return dataclasses.asdict(task)


def of_card(card: Card) -> dict[str, Any]:
    return {"id": card.id, "state": card.state, "task": of_task(card.task)}


def of_full_card(task: Task, card: Card | None, steps: Iterable[Step], output: str) -> dict[str, Any]:
    """`card` is None for a task that has none yet; its state is then the task's."""
    return {
        "id": task.id,
        "state": card.state if card else task.state,
        "task": of_task(task),
        "attempts": [dataclasses.asdict(attempt) for attempt in card.attempts] if card else [],
        "steps": [dataclasses.asdict(step) for step in steps],
        "output": output,
    }


def of_receipt(receipt: Receipt) -> dict[str, Any]:
    return {"id": receipt.id, "receipt": receipt.status, "state": receipt.state, "joined": receipt.joined}


def of_bulk(answer: BulkReceipt) -> dict[str, Any]:
    return {
        "task": answer.task,
        "matching": answer.matching,
        "is_more": answer.is_more,
        "samples": [of_task(task) for task in answer.samples],
    }


def of_explanation(task: Task, gates: Iterable[Gate]) -> dict[str, Any]:
    return {"task": task.id, "state": task.state, "gates": [dataclasses.asdict(gate) for gate in gates]}


def of_picture(picture: Picture) -> dict[str, Any]:
    return dataclasses.asdict(picture)


def of_finding(finding: Finding) -> dict[str, Any]:
    return dataclasses.asdict(finding) | {"status": finding.status.lower()}


def of_change(change: QueueChange) -> dict[str, Any]:
    return {"change": CHANGES.get(type(change).__name__, "unknown")} | dataclasses.asdict(change)


def of_event(event: Event) -> dict[str, Any]:
    fields = dataclasses.asdict(event)
    head = {key: fields.pop(key) for key in ("sequence", "attempt", "time")}
    return head | {"event": EVENTS.get(type(event).__name__, "unknown")} | fields


def print_document(document: dict[str, Any], output: Format) -> None:
    """One thing."""
    sys.stdout.write(_written(document, output))


def print_documents(found: Sequence[dict[str, Any]], output: Format) -> None:
    """A list: one array, or with jsonl one line each."""
    if output is Format.jsonl:
        sys.stdout.write("".join(_written(each, output) for each in found))
    else:
        sys.stdout.write(_written(found, output))


def _written(document: Any, output: Format) -> str:
    if output is Format.yaml:
        return "".join(f"{line}\n" for line in yaml.lines(document, as_text))
    return as_text(document, indent=None if output is Format.jsonl else 2) + "\n"


def as_text(document: Any, indent: int | None = None) -> str:
    """JSON in which every control character is escaped, so that it is harmless on a terminal too."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, default=_word)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _word(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(f"{type(value).__name__} has no place in JSON")
