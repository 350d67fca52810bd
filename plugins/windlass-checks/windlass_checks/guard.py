"""Decides which addresses may be reached on behalf of somebody who is not the operator.  No I/O.

A task's payload names hosts, and a node stands where its sender may not: beside databases, and before the cloud's
metadata service, which hands out credentials.  So the addresses that a payload leads to must be public, unless the
operator allows their networks.

An IPv6 address can carry an IPv4 one that a gateway or the kernel unpacks on the way; both have to be allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = {
    ip_address("169.254.169.254"),  # nearly all
    ip_address("fd00:ec2::254"),  # Amazon, over IPv6
    ip_address("fd20:ce::254"),  # Google, over IPv6
    ip_address("100.100.100.200"),  # Alibaba
    ip_address("168.63.129.16"),  # Azure's, which is a public address
}
NEVER = {
    "is_multicast": "a multicast address",
    "is_unspecified": "an unspecified address",
    "is_link_local": "a link-local address",
}
NAT64 = IPv6Network("64:ff9b::/96")
IPV4_COMPATIBLE = IPv6Network("::/96")
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is handed out; what lies outside is site-local, reserved, or not there yet."""
ISATAP = (0x0000_5EFE, 0x0200_5EFE)
LAST_FOUR_BYTES = 0xFFFF_FFFF


class Refused(Exception):
    """Why an address or port may not be reached, and what would change that."""


class Guard:
    """Networks and ports as the operator set them; no ports means all."""

    def __init__(self, allow: Sequence[str] = (), deny: Sequence[str] = (), ports: Sequence[int] = ()) -> None:
        self._allow = networks("allow", allow)
        self._deny = networks("deny", deny)
        self._ports = frozenset(ports)

    def check(self, host: str, address: str, port: int | None) -> None:
        """Raises `Refused`.  `host` is how the payload calls it."""
        if port is not None and self._ports and port not in self._ports:
            allowed = ", ".join(map(str, sorted(self._ports)))
            raise Refused(f"port {port} may not be checked from a payload (plugins.checks.ports: {allowed})")
        given = _parsed(address)
        for form in _forms(given):
            if why := self._wrong_with(form):
                leads = "" if address == host else f"{host} leads to "
                inside = "" if form == given else f", which carries {form}"
                raise Refused(f"{leads}{address}{inside}: {why}")

    def _wrong_with(self, address: Address) -> str:
        if address in METADATA:
            return "an address of a cloud's metadata service may never be checked"
        if _holds(self._deny, address):
            return "the operator denies its network (plugins.checks.deny)"
        for name, words in NEVER.items():
            if getattr(address, name):
                return f"{words} may never be checked"
        if address.is_loopback:
            # A wide network in `allow` was not written with this machine in mind; one of loopback alone was.
            if _holds([network for network in self._allow if network.is_loopback], address):
                return ""
            return "this machine itself may not be checked from a payload: name the check in the configuration"
        if _is_public(address) or _holds(self._allow, address):
            return ""
        return (
            "it is not public; the operator allows networks with plugins.checks.allow, or names the check in the "
            "configuration"
        )


def networks(field: str, written: Sequence[str]) -> list[Network]:
    """ValueError, which names the field, for what is no network."""
    found = []
    for number, text in enumerate(written):
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise ValueError(f'{field}[{number}]: {error}; write a network like "10.0.0.0/8" or an address') from None
    return found


def _parsed(address: str) -> Address:
    # A scope ("%eth0") says by which interface, not where to.
    return ip_address(address.partition("%")[0])


def _forms(address: Address) -> Iterator[Address]:
    """What the address may become on its way; the address itself, unless it is only a way to write another one."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:  # the kernel speaks IPv4 then
        yield address.ipv4_mapped
        return
    last = IPv4Address(int(address) & LAST_FOUR_BYTES)
    if address in NAT64:
        yield last
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if (address in IPV4_COMPATIBLE and int(address) > 1) or int(address) >> 32 & LAST_FOUR_BYTES in ISATAP:
        yield last
    yield address


def _is_public(address: Address) -> bool:
    return address.is_global and (isinstance(address, IPv4Address) or address in GLOBAL_UNICAST)


def _holds(among: Sequence[Network], address: Address) -> bool:
    return any(address in network for network in among)
