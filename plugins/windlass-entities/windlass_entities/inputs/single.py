"""One address, network or range, read by itself: for lines that are not of the common form, and for saying why not."""

from __future__ import annotations

import ipaddress
from socket import AF_INET, AF_INET6, inet_pton

BITS = {4: 32, 6: 128}


def entry(text: str) -> tuple[int, int, int]:
    """The family (4 or 6), first and last address of `a`, `a/prefix` (bits behind the prefix count as zero) or `a-b`.

    Raises ValueError, whose text says what is wrong.
    """
    if "-" in text:
        return span(*(part.strip() for part in text.split("-", 1)))
    written, slash, prefix = text.partition("/")
    family, number = address(written)
    if not slash:
        return family, number, number
    bits = BITS[family]
    if not (prefix.isascii() and prefix.isdigit()) or (prefix[0] == "0" and prefix != "0") or int(prefix[:4]) > bits:
        raise ValueError(f"the prefix after / must be a number from 0 to {bits}")
    hosts = (1 << (bits - int(prefix))) - 1
    return family, number & ~hosts, number | hosts


def span(begin: str, end: str) -> tuple[int, int, int]:
    """The family, first and last address of a range.  Raises ValueError."""
    family, first = address(begin)
    other, last = address(end)
    if family != other:
        raise ValueError("a range from one address family to the other")
    if first > last:
        raise ValueError("a range that runs backwards")
    return family, first, last


def address(text: str) -> tuple[int, int]:
    """The family and the number of an address.  Raises ValueError.

    The C library is asked first: it is ten times as fast as `ipaddress`, which can say why.
    """
    family, kind = (6, AF_INET6) if ":" in text else (4, AF_INET)
    try:
        return family, int.from_bytes(inet_pton(kind, text), "big")
    except (OSError, ValueError):
        raise ValueError(_why_not(text)) from None


def _why_not(text: str) -> str:
    if not text:
        return "an address is missing"
    if "%" in text:
        return "an address with a zone (%) means something on one machine only"
    try:
        (ipaddress.IPv6Address if ":" in text else ipaddress.IPv4Address)(text)
    except ValueError as error:
        return str(error).removesuffix(f" in {text!r}")
    return "not an address"
