"""Writes small MMDB databases, after the specification of MaxMind DB 2.0."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from typing import NamedTuple

_METADATA = b"\xab\xcd\xefMaxMind.com"
_STRING, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11


class Number(NamedTuple):
    """A number of another kind than uint32."""

    value: int
    kind: int


def mmdb(records: dict[str, dict], ip_version: int = 6, record_size: int = 24) -> bytes:
    """A database of networks, which must not overlap, and what is said of them.

    In one of IPv6, IPv4 stands under ::/96, and again under ::ffff:0:0/96, as in those one can buy.
    """
    root: list = [None, None]
    data, places = b"", {}
    for text, said in records.items():
        written = encoded(said)
        if written not in places:
            places[written] = len(data)
            data += written
        _put(root, text, ip_version, places[written])
    if ip_version == 6:
        _alias_v4(root)
    nodes = _numbered(root)
    tree = b"".join(_node([_pointer(child, nodes) for child in node], record_size) for _, node in nodes.values())
    about = {
        "node_count": len(nodes),
        "record_size": Number(record_size, _UINT16),
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


def _alias_v4(root: list) -> None:
    v4: list | None = root
    for _ in range(96):
        v4 = v4[0] if isinstance(v4, list) else None
    if isinstance(v4, list):
        node = root
        for bit in [0] * 80 + [1] * 15:
            node[bit] = node[bit] or [None, None]
            node = node[bit]
        node[1] = v4


def _node(records: list[int], record_size: int) -> bytes:
    left, right = records
    if record_size == 28:
        middle = (left >> 24) << 4 | right >> 24
        return (left & 0xFFFFFF).to_bytes(3, "big") + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3, "big")
    return left.to_bytes(record_size // 8, "big") + right.to_bytes(record_size // 8, "big")


def _numbered(root: list) -> dict[int, tuple[int, list]]:
    """Each node by its identity: its number, and itself."""
    nodes: dict[int, tuple[int, list]] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in nodes:
            continue
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
