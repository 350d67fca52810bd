"""What a caller sends to run a script, and the rules that need nothing but the payload to be checked.

They are checked while the payload is decoded, so a caller learns of a mistake when enqueueing, not from the history.
What depends on the node that runs it (installed interpreters, existing directories) is in `command`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from windlass_scripts.confinement.levels import Level, LimitsAsked
from windlass_scripts.exits import Meaning, check_exit_codes
from windlass_scripts.library import read_reference
from windlass_scripts.names import check_variable
from windlass_scripts.parameters import Value, as_text
from windlass_scripts.secret_files import check_secrets
from windlass_scripts.texts import check_text

MAX_TEXT = 1024 * 1024
"""Bytes of `script` and of `stdin`, and of all arguments and variables together."""

MAX_STRING = 128 * 1024 - 1
"""Bytes of one argument or `NAME=value`: Linux's MAX_ARG_STRLEN without the final NUL."""

DEFAULT_INTERPRETER = "sh"


class ExecuteScriptPayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of `script` (text, read by `interpreter`), `library` (a script kept under that name), `argv` (a program)."""

    script: Annotated[str | None, Meta(description="The script's text. Exactly one of script, library and argv.")] = (
        None
    )
    library: Annotated[
        str | None, Meta(description="A script of the library: its name, or name@version for that very version.")
    ] = None
    parameters: Annotated[dict[str, Value], Meta(description="Of a script of the library: its parameters.")] = {}
    interpreter: Annotated[str, Meta(description="Which allowed interpreter reads the script.")] = DEFAULT_INTERPRETER
    args: Annotated[list[str], Meta(description="Arguments of the script, passed on as they are.")] = []
    argv: Annotated[list[str] | None, Meta(description="A program and its arguments, run directly.")] = None
    secrets: Annotated[
        dict[str, str],
        Meta(description="Secrets handed over by descriptor: name → place below the host's secrets_directory."),
    ] = {}
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
    exit_codes: Annotated[
        dict[str, Meaning],
        Meta(description='What exit codes mean: {"3": "retry", "4-9": "failed"}; default: 0 success, others retry.'),
    ] = {}

    def __post_init__(self) -> None:
        _check_what_to_run(self)
        for field in ("script", "stdin", "working_directory"):
            check_text(field, getattr(self, field) or "", MAX_TEXT)
        _check_strings(self)
        for name in self.env:
            check_variable("env", name)
        check_secrets("secrets", self.secrets)
        check_exit_codes(self.exit_codes)
        if self.working_directory is not None and not self.working_directory.startswith("/"):
            raise ValueError("working_directory: give an absolute path, or leave it out for a private directory")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError("timeout: give a number of seconds above 0, or leave it out")


def _check_what_to_run(payload: ExecuteScriptPayload) -> None:
    if [payload.script, payload.library, payload.argv].count(None) != 2:
        raise ValueError(
            "script, library, argv: give exactly one of them: a script's text, the name of one that is kept, or a"
            " program with its arguments"
        )
    if payload.script is not None and not payload.script.strip():
        raise ValueError("script: is empty; send the text to run")
    if payload.library is not None:
        _check_library(payload, payload.library)
    elif payload.parameters:
        raise ValueError("parameters: belong to a script of the library; hand others over in args or env")
    if payload.argv is None:
        return
    if not payload.argv or not payload.argv[0]:
        raise ValueError("argv: is empty; name a program first, then its arguments")
    if payload.args or payload.interpreter != DEFAULT_INTERPRETER:
        raise ValueError("args, interpreter: belong to script; with argv, put every argument into argv")


def _check_library(payload: ExecuteScriptPayload, library: str) -> None:
    read_reference(library)
    if payload.interpreter != DEFAULT_INTERPRETER:
        raise ValueError("interpreter: the library says what reads its script; leave it out")
    if payload.secrets:
        raise ValueError("secrets: the library says which its script gets; name others in its secret parameters")


def _check_strings(payload: ExecuteScriptPayload) -> None:
    total = 0
    for field, strings in (("args", payload.args), ("argv", payload.argv or ())):
        for string in strings:
            total += check_text(field, string, MAX_STRING)
    for name, value in payload.env.items():
        total += check_text("env", f"{name}={value}", MAX_STRING)
    for name, given in payload.parameters.items():
        total += check_text("parameters", f"WINDLASS_PARAM_{name}={as_text(given)}", MAX_STRING)
    if total > MAX_TEXT:
        raise ValueError(
            f"args, argv, env, parameters: {total} bytes together, more than {MAX_TEXT}; use stdin for data"
        )
