"""What several commands ask for in the same way."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from windlass_cli.exits import INVALID, Failure


class Format(StrEnum):
    table = "table"
    json = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="table for people, json for programs.")]
TaskId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The number of the task.")]
Title = Annotated[str, typer.Option(help="What people see in lists.")]
Priority = Annotated[
    int | None, typer.Option(min=0, max=100, help="0 to 100; high is 10 and more, medium 5 to 9, low below.")
]
Pool = Annotated[str, typer.Option(help="Which worker slots it takes; the kind has its own.")]
Retries = Annotated[int | None, typer.Option(min=1, metavar="N", help="How often it is tried in all.")]
RetryPause = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Between two attempts.")]


def read_payload(argument: str) -> Any:
    """JSON from the argument itself, from a file (`@FILE`) or from standard input (`-`)."""
    text = read_text(argument[1:]) if argument.startswith("@") else argument
    if argument == "-":
        text = read_text("-")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(INVALID, f"the payload is not JSON: {error}") from error


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
