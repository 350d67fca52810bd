"""Reads address lists: one address, network or range a line, of either family.

Comments begin with `#` or `;`, wherever they stand.  A line that is neither is a bad line; nothing in a list is fatal,
and whether too much of it is bad is the caller's to decide.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from windlass_entities.inputs.lines import BadLine, BadLines, Block, Positions, blocks
from windlass_entities.inputs.single import entry
from windlass_entities.ranges import Coverage, Numbers, Ranges

_LONGEST = 100
"""Characters: two IPv6 addresses and a dash are at most 93."""

_DOT, _SLASH, _NEWLINE = b"./\n"


@dataclass(frozen=True, slots=True)
class ReadList:
    """What a list says.  `entries` counts good lines, repeats too; `bad` holds the first 100 of `bad_count`."""

    coverage: Coverage
    entries: int
    bad: list[BadLine]
    bad_count: int


def read_list(data: bytes) -> ReadList:
    """Reads a list whole.  Never raises for what is in it."""
    reading = _Reading()
    for block in blocks(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf"))):
        reading.take(Block(block, b"./"))
    return ReadList(reading.coverage(), reading.entries, reading.bad.first, reading.bad.count)


class _Reading:
    """Where the reading of a list stands."""

    def __init__(self) -> None:
        self.bad = BadLines()
        self.entries = 0
        self._lines = 0
        self._plain: list[tuple[Positions, Positions]] = []
        self._odd: dict[int, list[tuple[int, int]]] = {4: [], 6: []}

    def take(self, block: Block) -> None:
        first, last, is_plain = _plain_lines(block)
        self._plain.append((first[is_plain], last[is_plain]))
        self.entries += int(is_plain.sum())
        for at in np.flatnonzero(~is_plain).tolist():
            self._take_odd(self._lines + at + 1, block.line(at))
        self._lines += len(block)

    def _take_odd(self, number: int, line: bytes) -> None:
        text = line.partition(b"#")[0].partition(b";")[0].strip()
        if not text:
            return
        try:
            if len(text) > _LONGEST:
                raise ValueError("too long for an address")
            family, first, last = entry(text.decode("ascii"))
        except UnicodeDecodeError:
            self.bad.add(number, line, "not plain text")
        except ValueError as error:
            self.bad.add(number, line, str(error))
        else:
            self.entries += 1
            self._odd[family].append((first, last))

    def coverage(self) -> Coverage:
        v4 = np.array(self._odd[4], np.int64).reshape(-1, 2)
        sides = [np.concatenate((*(plain[side] for plain in self._plain), v4[:, side])) for side in (0, 1)]
        v6 = np.array(self._odd[6], object).reshape(-1, 2)
        return Coverage(Ranges.of(*sides), Ranges.of(v6[:, 0], v6[:, 1]))


def _plain_lines(block: Block) -> tuple[Numbers, Numbers, Numbers]:
    """First and last address of each line that is just an IPv4 address or network, and which lines are."""
    marks = block.marks(4)
    is_single = block.is_marked(marks, (_DOT, _DOT, _DOT, _NEWLINE))
    is_network = block.is_marked(marks, (_DOT, _DOT, _DOT, _SLASH))
    number, is_address = block.addresses(block.begin - 1, marks)
    prefix, is_prefix = block.numbers(marks[:, 3] + 1, block.end, 2)
    is_network &= is_prefix & (prefix <= 32)
    hosts = np.where(is_network, (1 << (32 - np.minimum(prefix, 32))) - 1, 0)
    return number & ~hosts, number | hosts, is_address & (is_single | is_network)
