"""A port that takes connections, and perhaps says something by itself."""

from __future__ import annotations

import asyncio

from windlass_checks import faults
from windlass_checks.look import Finding, Look, milliseconds
from windlass_checks.matching import matches
from windlass_checks.probes import Tcp
from windlass_checks.text import one_line
from windlass_checks.way import NoSuchHost

LARGEST_BANNER = 4_096


async def look_at(look: Look, probe: Tcp) -> Finding:
    look.doing = f"looking up {probe.host}"
    try:
        target = await look.way.find(probe.host, probe.port)
        look.doing = f"connecting to {target.addresses[0]}"
        reader, writer = await target.first(lambda address: asyncio.open_connection(address, probe.port))
    except (NoSuchHost, OSError) as error:
        return look.down(faults.in_words(error))
    try:
        return await _greeted(look, probe, reader)
    except OSError as error:
        return look.down(f"connected, then {faults.in_words(error)}")
    finally:
        writer.transport.abort()


async def _greeted(look: Look, probe: Tcp, reader: asyncio.StreamReader) -> Finding:
    connected = f"connected in {milliseconds(look.ms())}"
    if not probe.banner_contains and not probe.banner_matches:
        return look.up(connected)
    look.doing = f"waiting for a greeting ({connected})"
    banner = b""
    while len(banner) < LARGEST_BANNER:
        chunk = await reader.read(LARGEST_BANNER)
        banner += chunk
        if await _fits(probe, banner):
            return look.up(f"{connected}, greeted with {_quoted(banner)}")
        if not chunk:
            break
    return look.down(f"{connected}, and the greeting {_quoted(banner)} is not the expected one")


async def _fits(probe: Tcp, banner: bytes) -> bool:
    if probe.banner_contains.encode() not in banner:
        return False
    return not probe.banner_matches or (bool(banner) and await matches(probe.banner_matches, banner))


def _quoted(banner: bytes) -> str:
    return f'"{one_line(banner.decode(errors="replace"), 80)}"'
