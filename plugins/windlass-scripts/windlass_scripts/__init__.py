"""Windlass plugin that runs scripts: the kind ExecuteScript, configured in `[plugins.scripts]`.

The way of an attempt: `payload` (what was asked) → `preparation` (what that means here: the script from the `library`,
its `parameters`, its secrets from `secret_files`) → `command` (may it, can it) → `workspace` (a private directory) →
`attempt` (start, forward `output` and `status`, both through the `redaction`, limits) → `process`/`launch` (talks to) →
`runner/` (a program of its own that holds the process tree) → `ending` → `outcome`.  `operations` are for the library.
Linux only: it rests on /proc, prctl and pidfd.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from windlass import Door, Handler, HealthSection, Operation, Section, Settings, hookimpl

from windlass_scripts.confinement.host import Host
from windlass_scripts.confinement.reporting import capabilities_operation, health_section
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


_hosts: list[Host] = []
"""That of the kernel in this process, for hooks that are handed no settings; the last one when there were several."""


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [ExecuteScript(settings.of(ScriptsSettings), _host(settings))]


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return [*LibraryOperations(settings.of(ScriptsSettings)).all(), capabilities_operation(_host(settings))]


@hookimpl
def windlass_startup(kernel: Door) -> None:
    # In a thread, and nobody waits for it: the boot goes on, and the first task that needs the answer has it by then.
    threading.Thread(target=_hosts[-1].capabilities, name="windlass-confinement", daemon=True).start()


@hookimpl
def windlass_shutdown() -> None:
    while _hosts:
        _hosts.pop().close()


@hookimpl
async def windlass_health(kernel: Door) -> HealthSection | None:
    return health_section(_hosts[-1]) if _hosts else None


def _host(settings: Settings) -> Host:
    scripts = settings.of(ScriptsSettings)
    if not _hosts or _hosts[-1].settings is not scripts:
        _hosts[:] = [Host(scripts)]
    return _hosts[-1]
