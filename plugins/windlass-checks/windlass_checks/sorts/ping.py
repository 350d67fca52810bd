"""Whether a host answers pings, and how many of them."""

from __future__ import annotations

from icmplib import Host, async_ping
from icmplib.exceptions import ICMPLibError, SocketPermissionError
from windlass import Rejected

from windlass_checks import faults
from windlass_checks.look import Finding, Look, milliseconds
from windlass_checks.probes import Ping
from windlass_checks.way import NoSuchHost

PAUSE = 0.2
"""Seconds between two packets."""
NOT_ALLOWED = (
    "ping: this node may not send pings: set the sysctl net.ipv4.ping_group_range to its group, "
    "or give it CAP_NET_RAW (AmbientCapabilities in its unit)"
)


async def look_at(look: Look, probe: Ping) -> Finding:
    look.doing = f"looking up {probe.host}"
    try:
        target = await look.way.find(probe.host, None)
    except NoSuchHost as error:
        return look.down(str(error))
    address = target.addresses[0]
    look.doing = f"pinging {address}"
    try:
        host = await _ping(address, probe.count, probe.timeout)
    except (ICMPLibError, OSError) as error:
        return look.down(faults.in_words(error))
    lost = round(host.packet_loss * 100)
    if not host.is_alive:
        return look.down(f"no answer to {probe.count} ping{'s' * (probe.count > 1)} of {address}")
    if lost > probe.most_loss:
        return look.down(f"{lost}% of {probe.count} pings of {address} were lost")
    times = f"{milliseconds(host.avg_rtt)} on average, {milliseconds(host.max_rtt)} at most"
    return Finding(True, f"{host.packets_received} of {probe.count} answers; {times}", round(host.avg_rtt, 1))


async def _ping(address: str, count: int, seconds: float) -> Host:
    each = max(0.05, (seconds - PAUSE * (count - 1)) / count * 0.9)
    for privileged in (False, True):
        try:
            return await async_ping(address, count, PAUSE, each, privileged=privileged)
        except SocketPermissionError:
            continue
    raise Rejected(NOT_ALLOWED)
