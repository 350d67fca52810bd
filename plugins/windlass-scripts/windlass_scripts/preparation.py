"""From what was asked to what can be started: the script found, its parameters read, its secrets fetched."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from windlass import Context, Rejected

from windlass_scripts.command import Command, plan
from windlass_scripts.confinement.levels import tighter
from windlass_scripts.launch import STATUS_FD, Gift
from windlass_scripts.library import Version, find, read_reference
from windlass_scripts.parameters import Value, as_text, values_of
from windlass_scripts.payload import ExecuteScriptPayload
from windlass_scripts.redaction import Redaction
from windlass_scripts.secret_files import read_secrets
from windlass_scripts.settings import ScriptsSettings
from windlass_scripts.title import one_line

PARAMETERS_FD = 4
FIRST_SECRET_FD = 7


class Prepared(msgspec.Struct, frozen=True):
    """`payload` names a text or a program, no script of the library any more; `about` opens the result.

    `variables` and `gifts` are what the script is handed beside its own environment.
    """

    payload: ExecuteScriptPayload
    command: Command
    about: dict[str, Any]
    variables: dict[str, str]
    gifts: list[Gift]
    redaction: Redaction


async def prepare(ctx: Context, payload: ExecuteScriptPayload, settings: ScriptsSettings) -> Prepared:
    """Raises Rejected, naming the field, for what this node can't run."""
    if settings.library_only:
        _check_only_library(payload)
    found = None
    values: dict[str, Value] = {}
    if payload.library is not None:
        found = await find(ctx.documents, *read_reference(payload.library))
        values = values_of(found.script.parameters, payload.parameters)
        payload = inlined_payload(payload, found, values)
    command = plan(payload, settings)
    if found is not None:
        command = msgspec.structs.replace(command, label=found.reference)
        stored = found.document.stored_at
        by = one_line(found.document.by, 100)
        await ctx.step(f"{found.script.name}, version {found.document.version}: saved {stored:%Y-%m-%d %H:%M} by {by}")
    secrets: dict[str, bytes] = {}
    if payload.secrets:
        secrets = await asyncio.to_thread(read_secrets, settings.secrets_directory, payload.secrets)
        names = ", ".join(f"{name} ({reference})" for name, reference in payload.secrets.items())
        await ctx.step(f"secrets handed over: {names}")
    variables, gifts = _handed_over(found, values, secrets)
    return Prepared(payload, command, _about(payload, found), variables, gifts, Redaction(secrets))


def _check_only_library(payload: ExecuteScriptPayload) -> None:
    """By its variables, or the directory it runs in, a script could be made to do something else."""
    if payload.library is None:
        raise Rejected(
            "script, argv: only scripts of the library run here (library_only in [plugins.scripts]); save it there"
        )
    for field in ("env", "working_directory"):
        if getattr(payload, field):
            raise Rejected(f"{field}: tasks may not choose it here (library_only in [plugins.scripts]); leave it out")


def inlined_payload(payload: ExecuteScriptPayload, found: Version, values: dict[str, Value]) -> ExecuteScriptPayload:
    """The task as if it had brought the script's text itself; what the task says of limits and codes counts more."""
    script = found.script
    by_parameter = {
        each.name.upper(): values[each.name] for each in script.parameters if each.secret and each.name in values
    }
    return msgspec.structs.replace(
        payload,
        library=None,
        parameters={},
        script=script.text,
        interpreter=script.interpreter,
        secrets=script.secrets | {name: str(value) for name, value in by_parameter.items()},
        timeout=script.timeout if payload.timeout is None else payload.timeout,
        exit_codes=payload.exit_codes or script.exit_codes,
        confinement=tighter(payload.confinement, script.confinement),
        limits=payload.limits or script.limits,
    )


def _handed_over(
    found: Version | None, values: dict[str, Value], secrets: dict[str, bytes]
) -> tuple[dict[str, str], list[Gift]]:
    variables = {"WINDLASS_STATUS_FD": str(STATUS_FD)}
    gifts: list[Gift] = []
    if found is not None and found.script.parameters:
        secret = {each.name for each in found.script.parameters if each.secret}
        shown = {name: value for name, value in values.items() if name not in secret}
        variables |= {f"WINDLASS_PARAM_{name.upper()}": as_text(value) for name, value in shown.items()}
        variables["WINDLASS_PARAMETERS_FD"] = str(PARAMETERS_FD)
        gifts.append(Gift(PARAMETERS_FD, msgspec.json.encode(shown)))
    for number, (name, content) in enumerate(secrets.items(), FIRST_SECRET_FD):
        variables[f"WINDLASS_SECRET_{name}_FD"] = str(number)
        gifts.append(Gift(number, content, once=True))
    return variables, gifts


def _about(payload: ExecuteScriptPayload, found: Version | None) -> dict[str, object]:
    if found is not None:
        return {"library": found.script.name, "version": found.document.version, "interpreter": payload.interpreter}
    if payload.argv is None:
        return {"interpreter": payload.interpreter}
    return {"argv": [one_line(argument, 200) for argument in payload.argv[:50]]}
