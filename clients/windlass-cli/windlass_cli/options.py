"""What several commands ask for in the same way."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from windlass_cli import completion
from windlass_cli.exits import INVALID, USAGE, Failure


class Format(StrEnum):
    table = "table"
    wide = "wide"
    json = "json"
    jsonl = "jsonl"
    yaml = "yaml"

    @property
    def for_people(self) -> bool:
        return self in (Format.table, Format.wide)


Output = Annotated[
    Format,
    typer.Option("--output", "-o", help="table for people (wide: every column); json, jsonl or yaml for programs."),
]
TaskId = Annotated[
    int, typer.Argument(metavar="ID", min=1, help="The number of the task.", autocompletion=completion.tasks)
]
QueuedId = Annotated[
    int | None,
    typer.Argument(metavar="[ID]", min=1, help="The number of the task.", autocompletion=completion.queued),
]
EndedId = Annotated[
    int | None,
    typer.Argument(metavar="[ID]", min=1, help="The number of the task.", autocompletion=completion.ended),
]
PoolName = Annotated[str, typer.Argument(metavar="POOL", help="The name of the pool.", autocompletion=completion.pools)]
KindName = Annotated[str, typer.Argument(metavar="KIND", help="The name of the kind.", autocompletion=completion.kinds)]
ScheduleName = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help="The name of the schedule.", autocompletion=completion.schedules)
]
Title = Annotated[str, typer.Option(help="What people see in lists.")]
Priority = Annotated[
    int | None, typer.Option(min=0, max=100, help="0 to 100; high is 10 and more, medium 5 to 9, low below.")
]
Pool = Annotated[
    str, typer.Option(help="Which worker slots it takes; the kind has its own.", autocompletion=completion.pools)
]
Retries = Annotated[int | None, typer.Option(min=1, metavar="N", help="How often it is tried in all.")]
RetryPause = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Between two attempts.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="To find it by; may come several times.")
]
Filter = Annotated[
    str,
    typer.Option(metavar="FILTER", help="Only those that match, such as 'kind = \"ExecuteScript\" AND priority < 5'."),
]
OrderBy = Annotated[str, typer.Option(metavar="FIELDS", help="Sorted by these, such as 'priority desc, create_time'.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 means all.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the audit log.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the task to its end; exit with its outcome.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]
Rate = Annotated[int, typer.Option(min=0, metavar="N", help="At most so many tasks a second; 0 means 100.")]
Detach = Annotated[bool, typer.Option("--detach", help="Print the id and leave at once.")]


def read_payload(argument: str, what: str = "the payload") -> Any:
    """JSON from the argument itself, from a file (`@FILE`) or from standard input (`-`)."""
    text = read_text(argument[1:]) if argument.startswith("@") else argument
    if argument == "-":
        text = read_text("-")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(INVALID, f"{what} is not JSON: {error}") from error


def read_text(file: str) -> str:
    """What is in the file, `-` for standard input.  Failure when it cannot be read, or is not UTF-8."""
    name = "standard input" if file == "-" else file
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except UnicodeDecodeError as error:
        raise Failure(INVALID, f"{name} is not UTF-8 text (byte {error.start})") from error
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise Failure(INVALID, f"cannot read {name}: {words}") from error


def pairs(arguments: Sequence[str] | None, option: str) -> dict[str, str]:
    """`NAME=VALUE` each.  Failure when there is no `=` or no name in one."""
    found: dict[str, str] = {}
    for argument in arguments or ():
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise Failure(USAGE, f"{option} takes NAME=VALUE, not {argument!r}")
        found[name] = value
    return found
