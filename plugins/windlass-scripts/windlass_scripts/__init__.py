"""Windlass plugin that runs scripts: the kind ExecuteScript, configured in `[plugins.scripts]`.

The way of an attempt: `payload` (what was asked) → `preparation` (what that means here: the script from the `library`,
its `parameters`, its secrets from `secret_files`) → `command` (may it, can it) → `workspace` (a private directory) →
`attempt` (start, forward `output` and `status`, both through the `redaction`, limits) → `process`/`launch` (talks to) →
`runner/` (a program of its own that holds the process tree) → `ending` → `outcome`.  `operations` are for the library.
Linux only: it rests on /proc, prctl and pidfd.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from windlass import Handler, Operation, Section, Settings, hookimpl

from windlass_scripts.handler import ExecuteScript
from windlass_scripts.library import Script
from windlass_scripts.operations import LibraryOperations
from windlass_scripts.parameters import Parameter
from windlass_scripts.payload import ExecuteScriptPayload
from windlass_scripts.settings import ScriptsSettings

__all__ = ["ExecuteScript", "ExecuteScriptPayload", "Parameter", "Script", "ScriptsSettings"]


@hookimpl
def windlass_register_settings() -> Section:
    return Section("scripts", ScriptsSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [ExecuteScript(settings.of(ScriptsSettings))]


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return LibraryOperations(settings.of(ScriptsSettings)).all()
