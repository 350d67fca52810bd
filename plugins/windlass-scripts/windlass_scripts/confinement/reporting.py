"""Tells people of this machine's levels: the operation `scripts.capabilities`, and a section of the overview."""

from __future__ import annotations

import asyncio

import msgspec
from windlass import HealthLine, HealthSection, Operation, OperationCall, Role

from windlass_scripts.confinement.host import Capability, Host


class Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`again`: find out anew, after something was installed or allowed."""

    again: bool = False


class Capabilities(msgspec.Struct, frozen=True):
    """Of the node that answered, from the loosest level to the tightest."""

    levels: list[Capability]


def capabilities_operation(host: Host) -> Operation:
    async def run(call: OperationCall, look: Look) -> Capabilities:
        found = await asyncio.to_thread(host.capabilities, again=look.again)
        return Capabilities(list(found.values()))

    return Operation(
        "capabilities",
        "Confinement of scripts",
        "Which levels of confinement the answering node has for scripts; for each that it lacks, why and what helps.",
        run,
        Look,
        Capabilities,
        role=Role.VIEWER,
        writes=False,
    )


def health_section(host: Host) -> HealthSection | None:
    """What was found out so far.  A level that is missing needs a look only where tasks run at it by default."""
    if host.known is None:
        return None
    found = list(host.known.values())
    lines = [
        HealthLine(each.level.value, _told(each), host.needs(each.level) and not each.is_available) for each in found
    ]
    available = [each.level.value for each in found if each.is_available]
    return HealthSection("Scripts", f"confinement: {', '.join(available)}", lines, data=found)


def _told(capability: Capability) -> str:
    return capability.by if capability.is_available else f"not here: {capability.reason}; {capability.advice}"
