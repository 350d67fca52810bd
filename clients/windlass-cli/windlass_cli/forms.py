"""How things of one sort are shown: the columns for people, the document for programs, a word for when there are none.

Nothing here loads what only a table needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """`cell`: text from anywhere (it is made harmless when it is shown), with a style or without, or a Text as it is.

    `wide`: not in the usual table.  `number`: to the right.  `gives_way`: cut when the terminal is narrow.
    """

    name: str
    cell: Callable[[T], Any]
    wide: bool = False
    number: bool = False
    gives_way: bool = False


def fields(thing: Any) -> dict[str, Any]:
    """The document of a frozen value of the client library: its fields."""
    return dataclasses.asdict(thing)


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    columns: Sequence[Column[T]]
    empty: str
    document: Callable[[T], dict[str, Any]] = fields
