"""Writes small MMDB databases, after the specification of MaxMind DB 2.0 (records of 24 bits)."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from typing import NamedTuple

_METADATA = b"\xab\xcd\xefMaxMind.com"
_STRING, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11


class Number(NamedTuple):
    """A number of another kind than uint32."""

    value: int
    kind: int


def mmdb(records: dict[str, dict], ip_version: int = 6) -> bytes:
    """A database of networks, which must not overlap, and what is said of them.  IPv4 stands under ::/96."""
    root: list = [None, None]
    data, places = b"", {}
    for text, said in records.items():
        written = encoded(said)
        if written not in places:
            places[written] = len(data)
            data += written
        _put(root, text, ip_version, places[written])
    nodes = _numbered(root)
    tree = b"".join(_pointer(child, nodes).to_bytes(3, "big") for node in nodes.values() for child in node[1])
    about = {
        "node_count": len(nodes),
        "record_size": Number(24, _UINT16),
        "ip_version": Number(ip_version, _UINT16),
        "database_type": "test",
        "languages": ["en"],
        "binary_format_major_version": Number(2, _UINT16),
        "binary_format_minor_version": Number(0, _UINT16),
        "build_epoch": Number(1, _UINT64),
        "description": {"en": "test"},
    }
    return tree + bytes(16) + data + _METADATA + encoded(about)


def _put(root: list, text: str, ip_version: int, place: int) -> None:
    network = ip_network(text)
    bits = format(int(network.network_address), f"0{128 if ip_version == 6 else 32}b")
    length = network.prefixlen + (96 if ip_version == 6 and isinstance(network, IPv4Network) else 0)
    node = root
    for bit in map(int, bits[: length - 1]):
        if node[bit] is None:
            node[bit] = [None, None]
        node = node[bit]
    node[int(bits[length - 1])] = place


def _numbered(root: list) -> dict[int, tuple[int, list]]:
    """Each node by its identity: its number, and itself."""
    nodes: dict[int, tuple[int, list]] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        nodes[id(node)] = (len(nodes), node)
        waiting += [child for child in node if isinstance(child, list)]
    return nodes


def _pointer(child: list | int | None, nodes: dict[int, tuple[int, list]]) -> int:
    if child is None:
        return len(nodes)
    return nodes[id(child)][0] if isinstance(child, list) else len(nodes) + 16 + child


def encoded(value) -> bytes:
    if isinstance(value, dict):
        return _control(_MAP, len(value)) + b"".join(encoded(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return _control(_ARRAY, len(value)) + b"".join(map(encoded, value))
    if isinstance(value, str):
        return _control(_STRING, len(value.encode())) + value.encode()
    number = value if isinstance(value, Number) else Number(value, _UINT32)
    written = number.value.to_bytes((number.value.bit_length() + 7) // 8, "big")
    return _control(number.kind, len(written)) + written


def _control(kind: int, size: int) -> bytes:
    short, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | short]) + more if kind <= 7 else bytes([short, kind - 7]) + more
