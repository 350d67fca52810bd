"""Asks before something is done that cannot be undone.  A program is never asked: it has to say --yes."""

from __future__ import annotations

import sys

from windlass_cli.exits import CANCELED, USAGE, Failure
from windlass_cli.harmless import one_line
from windlass_cli.terminal import can_ask

YES = ("y", "yes")


def check_can_ask(what: str, *, yes: bool) -> None:
    """Failure when nobody has agreed and nobody can be asked; before anything is looked up for the question."""
    if not yes and not can_ask():
        raise Failure(USAGE, f"{what} asks first, and there is no terminal to ask on: add --yes")


def ask(question: str, *, yes: bool) -> None:
    """Returns when the answer is yes.  Failure when it is anything else."""
    if yes:
        return
    check_can_ask(question, yes=yes)
    print(f"{one_line(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in YES:
        raise Failure(CANCELED, "nothing was done")
