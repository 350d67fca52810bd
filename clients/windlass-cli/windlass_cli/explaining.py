"""Why a task does not run, as one would tell it to somebody who asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

from windlass_cli import screen, words

if TYPE_CHECKING:
    from windlass_client import Gate, Task

FIRST_TASKS = 3


def lines(task: Task, gates: Sequence[Gate]) -> Iterator[Text]:
    """One line about the task, then one for each thing that holds it, the nearest first."""
    yield Text.assemble(
        screen.styled(f"Task {task.id}", "bold"), screen.styled(f" ({words.title(task)}) {_stands(task, gates)}")
    )
    for number, gate in enumerate(gates, 1):
        yield Text("")
        yield Text.assemble((f"{number}. ", "bold"), screen.styled(_sentence(gate.why)))
        if gate.clears:
            yield Text.assemble("   ", ("What clears it: ", "dim"), screen.styled(gate.clears))
        for command in commands(task, gate):
            yield Text.assemble("   ", screen.styled(f"$ {command}", "cyan"))


def _stands(task: Task, gates: Sequence[Gate]) -> str:
    now = datetime.now(UTC)
    if gates:
        many = "One thing holds it back" if len(gates) == 1 else f"{len(gates)} things hold it back, the nearest first"
        return f"waits since {words.clock(task.created, now)}. {many}:"
    match task.state:
        case "PENDING":
            return "waits, and nothing holds it back: it starts at the next look, within a second."
        case "RUNNING":
            stage = f", in the stage {task.stage}" if task.stage else ""
            return f"runs for {words.between(task.started, now)} on {task.node}, attempt {task.attempt}{stage}."
        case "CANCELLING":
            return f"is being interrupted on {task.node}: it ends soon."
    said = f": {task.message}" if task.message else ""
    return f"has ended: {words.label(task.state)} {words.ago(task.ended)}{said}"


def commands(task: Task, gate: Gate) -> list[str]:
    """What to type next, to clear it or to see more."""
    match gate.kind:
        case "POOL_PAUSED":
            return [f"windlass pools resume {task.pool}"]
        case "KIND_PAUSED":
            return [f"windlass kinds resume {task.kind}"]
        case "POOL_FULL":
            return [f"windlass pools show {task.pool}", f"windlass active --filter 'pool = \"{task.pool}\"'"]
        case "NO_NODE":
            return ["windlass nodes list", f"windlass kinds show {task.kind}"]
        case "AHEAD":
            return [f"windlass tasks reprioritize {task.id} --priority {min(100, max(10, task.priority + 1))}"]
        case "DEPENDENCIES" | "TWIN" | "KEY_BUSY":
            return [f"windlass explain {each}" for each in gate.tasks[:FIRST_TASKS]]
    return []


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
