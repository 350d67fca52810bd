"""The way to a host: its name is resolved once, every address is judged, and only those very addresses are reached.

Judging a name and then handing it on would have it resolved again, and a name server that says something public first
and 127.0.0.1 afterwards (DNS rebinding) would be let in.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import TypeVar

import msgspec

from windlass_checks import aside
from windlass_checks.guard import Guard

T = TypeVar("T")
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

ONE_OF_SEVERAL = 3.0
"""Seconds for an address that is not the last: one that drops everything leaves time for the others."""
MOST_ADDRESSES = 8


class NoSuchHost(Exception):
    """The name leads nowhere."""


class Target(msgspec.Struct, frozen=True):
    """A host and its judged addresses."""

    host: str
    addresses: tuple[str, ...]

    async def first(self, attempt: Callable[[str], Awaitable[T]]) -> T:
        """What `attempt` makes of the first address that answers.  Raises what it raised for the last one."""
        *others, last = self.addresses
        for address in others:
            try:
                async with asyncio.timeout(ONE_OF_SEVERAL):
                    return await attempt(address)
            except Exception:  # noqa: BLE001, S112 - whatever is wrong with this one, there is another
                continue
        return await attempt(last)


class Way:
    """`guard` None: the operator named the host, and may reach what he likes."""

    def __init__(self, guard: Guard | None, strangers: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._strangers = strangers
        self._resolve = resolve

    def for_strangers(self) -> Way:
        """The way for a host that somebody else than the operator named, such as a server that redirects."""
        return Way(self._strangers, self._strangers, self._resolve)

    async def find(self, host: str, port: int | None) -> Target:
        """Raises `guard.Refused` when one of its addresses may not be reached, `NoSuchHost` when there is none.

        `port` None: it has none, as for a ping.
        """
        found = [host] if _is_address(host) else await self._addresses(host, port or 0)
        for address in found:
            if self._guard is not None:
                self._guard.check(host, address, port)
        return Target(host, tuple(found[:MOST_ADDRESSES]))

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise NoSuchHost(f"the name {host} leads nowhere: {_why(error)}") from None
        if not found:
            raise NoSuchHost(f"the name {host} has no address")
        return found


async def by_system(host: str, port: int) -> list[str]:
    """As the node's own system resolves the name: /etc/hosts, then its name servers."""

    def ask() -> list[str]:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

    return await aside.call(f"the name {host}", ask)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _why(error: Exception) -> str:
    return str(error.strerror or error).lower() if isinstance(error, OSError) else str(error)
