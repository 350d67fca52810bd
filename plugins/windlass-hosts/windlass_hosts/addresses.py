"""Which addresses may be pinged, and what a name resolves to."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from windlass import Rejected

Address = IPv4Address | IPv6Address

LONGEST_NAME = 253
LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
RESOLVE_SECONDS = 10.0


class Unresolved(Exception):
    """The name has no address now; it may have one later."""


def check_target(field: str, target: str) -> None:
    """An address, or a name that could be a host's.  Raises `ValueError`, naming the field."""
    if literal(target) is not None:
        return
    labels = target.rstrip(".").split(".")
    is_number = labels[-1].isdecimal() or labels[-1].lower().startswith("0x")
    if len(target) > LONGEST_NAME or is_number or not all(map(LABEL.fullmatch, labels)):
        raise ValueError(
            f"{field}: {target[:100]!r} is neither an address (10.0.0.7, 2001:db8::7, without a zone) nor a host name"
        )


def literal(text: str) -> Address | None:
    """The address that stands there, if one does; an IPv4 one in IPv6's clothes is IPv4."""
    if "%" in text:
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


async def resolve(target: str) -> Address:
    """The address to ping: looked up once, so that what is checked is what is pinged.  Raises `Unresolved`."""
    if (found := literal(target)) is not None:
        return found
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            answers = await loop.getaddrinfo(target, None, type=socket.SOCK_DGRAM)
    except TimeoutError:
        raise Unresolved(f"nobody said within {RESOLVE_SECONDS:g} s which address {target} has") from None
    except OSError as error:
        raise Unresolved(f"{target} has no address: {error.strerror or error}") from None
    # IPv4 first, as ping does where both are there.
    best = min(answers, key=lambda answer: answer[0] != socket.AF_INET)
    found = literal(str(best[4][0]).partition("%")[0])
    assert found is not None
    return found


def check_allowed(address: Address, networks: Iterable[str]) -> None:
    """Raises `Rejected`, naming the setting."""
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        raise Rejected(f"address: {address} is not one host's; give the address of one")
    if not any(address in ip_network(network) for network in networks):
        allowed = ", ".join(networks) or "none at all"
        raise Rejected(f"address: {address} is in no network of plugins.hosts.ping_networks here; allowed: {allowed}")
