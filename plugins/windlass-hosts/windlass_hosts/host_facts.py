"""The kind HostFacts."""

from __future__ import annotations

from typing import Any

import msgspec
from windlass import BlockingContext, Failed, Handler, Outcome, Success

from windlass_hosts import gathering


class HostFactsPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is asked: the host is the one that serves the task's pool."""


class HostFacts(Handler[HostFactsPayload]):
    """Looks at a host: its name, addresses, system, load, memory, disks and versions."""

    kind = "HostFacts"
    # psutil blocks, and a broken disk may do so for long.
    executor = "thread"

    def title(self, payload: HostFactsPayload) -> str:
        return "Facts of a host"

    def run(self, ctx: BlockingContext, payload: HostFactsPayload) -> Outcome:
        ctx.stage("looking at the system")
        facts: dict[str, Any] = gathering.system() | {"memory": gathering.memory(), "addresses": gathering.addresses()}
        ctx.step(_system_words(facts))
        if ctx.cancelled.is_set():
            return Failed("ended before its disks were looked at")
        ctx.stage("looking at disks")
        facts |= {"disks": gathering.disks(), "versions": gathering.versions()}
        ctx.step(_disk_words(facts["disks"]))
        return Success(facts)


def _system_words(facts: dict[str, Any]) -> str:
    cpus, memory = facts["cpus"]["logical"], facts["memory"]
    return (
        f"{facts['name']}: {facts['os']}, {cpus} CPU{'s' * (cpus > 1)}, load {facts['load'][0]:g},"
        f" {size(memory['available'])} of {size(memory['total'])} memory available"
    )


def _disk_words(disks: list[dict[str, Any]]) -> str:
    if not disks:
        return "no disk of its own"
    fullest = max(disks, key=lambda disk: float(disk["percent"]))
    return f"{len(disks)} disk{'s' * (len(disks) > 1)}, fullest {fullest['mount']} at {fullest['percent']:g} %"


def size(count: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1024
    return f"{count:.3g} TiB"
