"""Walks the search tree of an MMDB, a level at a time, without trust: it may be damaged.

A node has two records, one for each value of its bit.  A record below the number of nodes is a node, one that equals it
is nothing, and one above it points to what is said of the network.  After the specification of MaxMind DB 2.0.

Why not by the library: its reader in C writes where it must not when the tree is damaged, which ends the process (seen
with 3.2.0: `malloc(): invalid next size`), and that in Python takes nine seconds for half a million networks, this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from windlass_entities.inputs.lines import Positions
from windlass_entities.ranges import Numbers

_V4_DEPTH = 96
"""Where IPv4 begins in a tree of IPv6: at ::/96."""
_NARROW_DEPTH = 62
"""Prefixes of as many bits fit int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """Networks of one family in the order of their addresses, and the pointer to what is said of each."""

    first: Numbers
    last: Numbers
    pointer: Positions


class Tree:
    """The tree of a database.  Raises ValueError where it is not whole."""

    def __init__(self, data: bytes, node_count: int, record_size: int) -> None:
        self.size = node_count * record_size // 4
        """Bytes."""
        if record_size not in {24, 28, 32} or node_count < 1 or self.size > len(data):
            raise ValueError("its tree is not whole")
        self._nodes = node_count
        bytes_of = np.frombuffer(data, np.uint8, self.size).reshape(node_count, -1).astype(np.int64)
        self._records = np.stack(_records(bytes_of, record_size), axis=1)

    def v4(self, ip_version: int) -> Networks:
        """The networks of IPv4."""
        start = self._v4_start() if ip_version == 6 else 0
        return self._walk(start, 32, skip=-1)

    def v6(self) -> Networks:
        """The networks of IPv6, without IPv4 and what is only another name for it."""
        return self._walk(0, 128, skip=self._v4_start())

    def _v4_start(self) -> int:
        node = 0
        for _ in range(_V4_DEPTH):
            if node < self._nodes:
                node = int(self._records[node, 0])
        return node

    def _walk(self, start: int, bits: int, skip: int) -> Networks:
        """All networks under a node.  A tree comes by each of its nodes once; what comes by more runs in circles."""
        node, prefix = np.array([start]), np.zeros(1, np.int64)
        found: list[tuple[Numbers, Numbers, Positions]] = []
        seen = 0
        for depth in range(bits + 1):
            is_said = node > self._nodes
            found.append((*_bounds(prefix[is_said], bits, depth), node[is_said]))
            is_node = (node < self._nodes) & ((node != skip) | (depth == 0))
            seen += int(is_node.sum())
            if seen > self._nodes or (depth == bits and is_node.any()):
                raise ValueError("its tree runs in circles")
            prefix = prefix[is_node].astype(object if depth >= _NARROW_DEPTH else np.int64)
            prefix = (2 * prefix[:, None] + np.arange(2)).reshape(-1)
            node = self._records[node[is_node]].reshape(-1)
        first, last, pointer = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(first, kind="stable")
        return Networks(first[order], last[order], pointer[order])


def _records(bytes_of: NDArray[np.int64], record_size: int) -> tuple[Positions, Positions]:
    """The left and the right record of each node.  Records of 28 bits share the byte between them: its upper half is
    the left one's highest."""
    width = record_size // 8
    left, right = (_big_endian(part) for part in (bytes_of[:, :width], bytes_of[:, -width:]))
    if record_size == 28:
        left, right = left | bytes_of[:, 3] >> 4 << 24, right | (bytes_of[:, 3] & 15) << 24
    return left, right


def _big_endian(bytes_of: NDArray[np.int64]) -> Positions:
    value = np.zeros(len(bytes_of), np.int64)
    for column in bytes_of.T:
        value = value << 8 | column
    return value


def _bounds(prefix: Numbers, bits: int, depth: int) -> tuple[Numbers, Numbers]:
    """The first and last address of networks of `depth` bits."""
    size = 1 << (bits - depth)
    first = prefix.astype(np.int64 if bits == 32 else object) * size
    return first, first + (size - 1)
