"""Turns a payload into what this node can start, or refuses it with what to change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

import msgspec
from windlass import Rejected

from windlass_scripts.confinement.levels import Level, Limits, level_of, limits_of
from windlass_scripts.names import refused
from windlass_scripts.payload import ExecuteScriptPayload
from windlass_scripts.settings import ScriptsSettings


class Command(msgspec.Struct, frozen=True):
    """What to start.  `label` is how people call it; `program` is absolute, or relative to the working directory.

    The path of the script, when there is one, goes between `program` and `arguments`.
    """

    label: str
    program: list[str]
    arguments: list[str]
    timeout: float
    level: Level = Level.BASIC
    limits: Limits = Limits()

    @property
    def described(self) -> str:
        """ "sh", "sh with 1 argument", …"""
        count = len(self.arguments)
        return self.label + (f" with {count} argument{'s' * (count > 1)}" if count else "")


def plan(payload: ExecuteScriptPayload, settings: ScriptsSettings) -> Command:
    """The command for this payload.  Raises Rejected, naming the field, when this node can't run it."""
    if payload.working_directory is not None:
        _check_directory(payload.working_directory)
    if name := refused(payload.env, settings.forbidden_environment):
        raise Rejected(
            f"env: {name} is forbidden here (forbidden_environment in [plugins.scripts]); set it inside the script"
        )
    if payload.argv is not None:
        program, arguments = [_find_program(payload, settings)], payload.argv[1:]
        label = os.path.basename(payload.argv[0])
    else:
        program, arguments = find_interpreter(payload.interpreter, settings), payload.args
        label = payload.interpreter
    level = level_of(payload.confinement, settings.confinement, settings.confinement_least)
    return Command(
        label=label,
        program=program,
        arguments=arguments,
        timeout=_time_limit(payload, settings),
        level=level,
        limits=limits_of(payload.limits, level, settings.limits, settings.limits_max),
    )


def environment(
    payload: ExecuteScriptPayload, settings: ScriptsSettings, inherited: Mapping[str, str], home: str
) -> dict[str, str]:
    """The script's whole environment: a small base, what the operator lets through, what the task sets."""
    base = {"PATH": settings.path, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home}
    allowed = {name: inherited[name] for name in settings.inherit_environment if name in inherited}
    return base | allowed | payload.env


def find_interpreter(name: str, settings: ScriptsSettings, *, must_be_here: bool = True) -> list[str]:
    """Its program and arguments.  Raises Rejected when it is not allowed, or not installed on this node."""
    prefix = settings.interpreters.get(name)
    if prefix is None:
        allowed = ", ".join(sorted(settings.interpreters)) or "none at all"
        raise Rejected(f"interpreter: {name!r} is not allowed here; allowed: {allowed}")
    # By the operator's path, never the payload's: a task chooses among the allowed, not what they are.
    program = shutil.which(prefix[0], path=settings.path)
    if program is None and must_be_here:
        raise Rejected(f"interpreter: {prefix[0]} is not installed in {settings.path}; install it or use another")
    return [program or prefix[0], *prefix[1:]]


def _find_program(payload: ExecuteScriptPayload, settings: ScriptsSettings) -> str:
    assert payload.argv is not None
    name = payload.argv[0]
    if "/" not in name:
        path = payload.env.get("PATH", settings.path)
        found = shutil.which(name, path=path)
        if found is None:
            raise Rejected(f"argv: no program {name!r} in {path}; give its absolute path or install it")
        return os.path.abspath(found)
    place = os.path.join(payload.working_directory or "/", name)
    if not os.path.isabs(name) and payload.working_directory is None:
        raise Rejected(f"argv: {name!r} is a relative path; make it absolute or set working_directory")
    if not (os.path.isfile(place) and os.access(place, os.X_OK)):
        raise Rejected(f"argv: {name!r} is no executable file; check the path and its permissions")
    return place


def _check_directory(path: str) -> None:
    if not os.path.isdir(path):
        raise Rejected(f"working_directory: {path!r} is no directory on this node; create it or leave the field out")
    if not os.access(path, os.X_OK):
        raise Rejected(f"working_directory: {path!r} may not be entered; change its permissions or leave the field out")


def _time_limit(payload: ExecuteScriptPayload, settings: ScriptsSettings) -> float:
    limit = settings.timeout if payload.timeout is None else payload.timeout
    if limit > settings.timeout_max:
        raise Rejected(f"timeout: {limit:g} s is more than the {settings.timeout_max:g} s allowed; ask for less")
    return limit
