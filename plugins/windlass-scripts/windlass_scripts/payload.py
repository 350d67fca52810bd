"""What a caller sends to run a script, and the rules that need nothing but the payload to be checked.

They are checked while the payload is decoded, so a caller learns of a mistake when enqueueing, not from the history.
What depends on the node that runs it (installed interpreters, existing directories) is in `command`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from windlass_scripts.confinement.levels import Level, LimitsAsked
from windlass_scripts.names import check_variable

MAX_TEXT = 1024 * 1024
"""Bytes of `script` and of `stdin`, and of all arguments and variables together."""

MAX_STRING = 128 * 1024 - 1
"""Bytes of one argument or `NAME=value`: Linux's MAX_ARG_STRLEN without the final NUL."""

DEFAULT_INTERPRETER = "sh"


class ExecuteScriptPayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either `script` (text, read by `interpreter`) or `argv` (a program, no shell in between)."""

    script: Annotated[str | None, Meta(description="The script's text. Exactly one of script and argv.")] = None
    interpreter: Annotated[str, Meta(description="Which allowed interpreter reads the script.")] = DEFAULT_INTERPRETER
    args: Annotated[list[str], Meta(description="Arguments of the script, passed on as they are.")] = []
    argv: Annotated[list[str] | None, Meta(description="A program and its arguments, run directly.")] = None
    env: Annotated[dict[str, str], Meta(description="Environment variables to set.")] = {}
    stdin: Annotated[str | None, Meta(description="Text on standard input; none means empty.")] = None
    working_directory: Annotated[
        str | None, Meta(description="Absolute path; default: a private directory, removed afterwards.")
    ] = None
    timeout: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Seconds until the script is stopped; default: the node's."),
    ] = None
    confinement: Annotated[
        Level | None, Meta(description="How tightly it is held; a node that can't refuses it. Default: the node's.")
    ] = None
    limits: Annotated[LimitsAsked | None, Meta(description="Limits for it; default: the node's.")] = None

    def __post_init__(self) -> None:
        _check_what_to_run(self)
        for field in ("script", "stdin", "working_directory"):
            _check_text(field, getattr(self, field) or "", MAX_TEXT)
        _check_strings(self)
        for name in self.env:
            check_variable("env", name)
        if self.working_directory is not None and not self.working_directory.startswith("/"):
            raise ValueError("working_directory: give an absolute path, or leave it out for a private directory")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError("timeout: give a number of seconds above 0, or leave it out")


def _check_what_to_run(payload: ExecuteScriptPayload) -> None:
    if (payload.script is None) == (payload.argv is None):
        raise ValueError("script, argv: give exactly one of them: a script's text, or a program with its arguments")
    if payload.script is not None and not payload.script.strip():
        raise ValueError("script: is empty; send the text to run")
    if payload.argv is None:
        return
    if not payload.argv or not payload.argv[0]:
        raise ValueError("argv: is empty; name a program first, then its arguments")
    if payload.args or payload.interpreter != DEFAULT_INTERPRETER:
        raise ValueError("args, interpreter: belong to script; with argv, put every argument into argv")


def _check_strings(payload: ExecuteScriptPayload) -> None:
    total = 0
    for field, strings in (("args", payload.args), ("argv", payload.argv or ())):
        for string in strings:
            total += _check_text(field, string, MAX_STRING)
    for name, value in payload.env.items():
        total += _check_text("env", f"{name}={value}", MAX_STRING)
    if total > MAX_TEXT:
        raise ValueError(f"args, argv, env: {total} bytes together, more than {MAX_TEXT}; use stdin for data")


def _check_text(field: str, text: str, limit: int) -> int:
    """The text's size in bytes; ValueError when a process could not be given it."""
    if "\0" in text:
        raise ValueError(f"{field}: holds a NUL byte, which no process can be given; remove it")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{field}: holds half of a surrogate pair; send valid Unicode") from None
    if size > limit:
        raise ValueError(f"{field}: {size} bytes, more than the {limit} allowed; make it smaller")
    return size
