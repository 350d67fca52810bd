"""How `windlass` leaves: the one table of exit codes, and the error that carries one with its line for stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windlass_client import WindlassError

SUCCESS = 0
TASK_FAILED = 1
USAGE = 2
NOT_REACHABLE = 3
NOT_ALLOWED = 4
NOT_FOUND = 5
INVALID = 6
STATE_FORBIDS = 7
REFUSED = 8
CANCELED = 130
NOBODY_READS = 141

MEANINGS = {
    SUCCESS: "success; of a command that waits for a task: the task succeeded",
    TASK_FAILED: "the task failed (doctor, config check: something is wrong; demo: a task did not end as it should)",
    USAGE: "the command line is wrong, or would have to ask and has no terminal (add --yes)",
    NOT_REACHABLE: "no server found, or it does not answer",
    NOT_ALLOWED: "not authenticated, or not permitted",
    NOT_FOUND: "there is no such task, schedule, pool, …",
    INVALID: "the server refused what was asked: unknown kind, payload that does not fit, …",
    STATE_FORBIDS: "the state of the thing forbids it: it has ended, is there already, has changed meanwhile",
    REFUSED: "anything else that went wrong at the server, or took too long",
    CANCELED: "interrupted: the task was canceled, Ctrl-C ended the command, or the answer was no",
    NOBODY_READS: "the reader of the output went away",
}

CODES = {
    "UNAVAILABLE": NOT_REACHABLE,
    "UNAUTHENTICATED": NOT_ALLOWED,
    "PERMISSION_DENIED": NOT_ALLOWED,
    "NOT_FOUND": NOT_FOUND,
    "INVALID_ARGUMENT": INVALID,
    "OUT_OF_RANGE": INVALID,
    "FAILED_PRECONDITION": STATE_FORBIDS,
    "ALREADY_EXISTS": STATE_FORBIDS,
    "ABORTED": STATE_FORBIDS,
}
"""From the name of the gRPC status; every other one is REFUSED."""


class Failure(Exception):
    """Ends the command with this code and `error: <message>` on stderr."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NobodyReads(Exception):
    """The reader of our output went away.  Not an OSError, of which typer would make exit code 1 by itself."""


@contextmanager
def noticing_that_nobody_reads() -> Iterator[None]:
    """NobodyReads instead of BrokenPipeError."""
    try:
        yield
    except BrokenPipeError as gone:
        raise NobodyReads from gone


def failure_of(error: WindlassError) -> Failure:
    if error.code == "UNIMPLEMENTED":
        return Failure(REFUSED, "the server does not know this call: it is older than this command line")
    return Failure(CODES.get(error.code, REFUSED), error.message)


def help_text() -> str:
    """The table, as `windlass --help` ends with it."""
    return "\n".join(["\b", "Exit codes:", *(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())])
