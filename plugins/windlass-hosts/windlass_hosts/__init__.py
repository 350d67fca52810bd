"""Windlass plugin for what operators do on a host: kinds HostFacts, Ping, RestartUnit, PushFile; `[plugins.hosts]`.

Each runs where its pool is served: on a node, or on an agent when the task is enqueued into the pool `agent:<id>`.
What may be restarted or written is the operator's to say, on each host: nothing, unless its settings name it.

`names` and `paths` know what a name or a path may be; `placing` puts a file where no link leads astray; `systemd` talks
to systemctl; `addresses` says what may be pinged; `gathering` looks at the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from windlass import Handler, Section, Settings, hookimpl

from windlass_hosts.host_facts import HostFacts, HostFactsPayload
from windlass_hosts.ping import Ping, PingPayload
from windlass_hosts.push_file import PushFile, PushFilePayload
from windlass_hosts.restart_unit import RestartUnit, RestartUnitPayload
from windlass_hosts.settings import HostsSettings

__all__ = [
    "HostFacts",
    "HostFactsPayload",
    "HostsSettings",
    "Ping",
    "PingPayload",
    "PushFile",
    "PushFilePayload",
    "RestartUnit",
    "RestartUnitPayload",
]


@hookimpl
def windlass_register_settings() -> Section:
    return Section("hosts", HostsSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    mine = settings.of(HostsSettings)
    return [HostFacts(), Ping(mine), RestartUnit(mine), PushFile(mine)]
