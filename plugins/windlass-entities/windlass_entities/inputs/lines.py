"""Lines of text as positions in a block of bytes: most lines of an input look alike, and numpy reads them all at once.

A block is whole lines in a uint8 array.  What marks a field's end (`.` `/` `,`) is found once for the whole block; a
line of the common form has known marks in a known order, so its numbers stand between known positions.  Lines of any
other form are left to code that reads them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]

BLOCK = 1 << 20
"""Bytes read at once: what numpy works on is about 30 times as much."""

REPORTED = 100
"""Bad lines told of one by one; the rest is only counted."""

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be used.  `number` counts from 1; `text` is cut and printable."""

    number: int
    text: str
    why: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.why}: {self.text}"


class BadLines:
    """Counts bad lines and keeps the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[BadLine] = []

    def add(self, number: int, line: bytes, why: str) -> None:
        self.count += 1
        if len(self.first) < REPORTED:
            self.first.append(BadLine(number, printable(line), why))


def printable(line: bytes) -> str:
    """A line as a report may show it: one line, at most about 80 characters, nothing that moves a terminal's cursor."""
    text = line[: _SHOWN + 1].decode("utf-8", "backslashreplace")
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def blocks(source: BinaryIO) -> Iterator[bytes]:
    """The source in blocks of whole lines that end with a newline; a last line without one gets it.

    Of a line that is longer than two blocks only the beginning is kept: it is a bad line, or a comment.
    """
    rest = b""
    while data := source.read(BLOCK):
        head, newline, tail = data.rpartition(b"\n")
        if newline:
            yield (rest + head + newline).replace(b"\r\n", b"\n")
            rest = tail
        elif len(rest) < BLOCK:
            rest += data
    if rest:
        yield rest.removesuffix(b"\r") + b"\n"


class Block:
    """The lines of a block.  `begin[i]` is where line i begins, `end[i]` is where its newline stands."""

    def __init__(self, data: bytes, marks: bytes) -> None:
        """`data` ends with a newline; `marks` are the bytes that end a field, besides the newline."""
        self.data = data
        self.text = np.frombuffer(data, np.uint8)
        is_newline = self.text == ord("\n")
        self.end: Positions = np.flatnonzero(is_newline)
        self.begin: Positions = np.concatenate(([0], self.end[:-1] + 1))
        is_mark = is_newline
        for mark in marks:
            is_mark |= self.text == mark
        self._marks: Positions = np.flatnonzero(is_mark)

    def __len__(self) -> int:
        return len(self.end)

    def line(self, number: int) -> bytes:
        """Line `number`, from 0, without its newline."""
        return self.data[self.begin[number] : self.end[number]]

    def marks(self, count: int) -> Positions:
        """Where the first `count` marks of each line stand, one row a line; a line with fewer shows the next one's."""
        at = np.searchsorted(self._marks, self.begin)[:, None] + np.arange(count)
        return self._marks.take(at, mode="clip")

    def is_marked(self, marks: Positions, pattern: Sequence[int]) -> Flags:
        """Which lines have the bytes of `pattern` as their first marks."""
        found: Flags = (self.text[marks[:, : len(pattern)]] == np.array(pattern, np.uint8)).all(axis=1)
        return found

    def numbers(self, begin: Positions, end: Positions, digits: int) -> tuple[Positions, Flags]:
        """The decimal numbers between positions, and which are: 1 to `digits` digits, no zero in front."""
        length = end - begin
        ok = (length >= 1) & (length <= digits)
        ok &= (length == 1) | (self.text.take(begin, mode="clip") != ord("0"))
        value = np.zeros(len(begin), np.int64)
        for place in range(digits):
            digit = self.text.take(end - 1 - place, mode="clip") - np.uint8(ord("0"))
            inside = length > place
            ok &= ~inside | (digit <= 9)
            value += np.where(inside, digit, 0).astype(np.int64) * 10**place
        return value, ok

    def addresses(self, before: Positions, marks: Positions) -> tuple[Positions, Flags]:
        """The IPv4 addresses whose four numbers end at `marks` (four columns) and begin behind `before`."""
        value, ok = np.zeros(len(before), np.int64), np.ones(len(before), np.bool_)
        for column in range(4):
            number, is_number = self.numbers(before + 1, marks[:, column], 3)
            ok &= is_number & (number <= 255)
            value = value * 256 + number
            before = marks[:, column]
        return value, ok
