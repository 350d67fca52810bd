"""Residents: work that is never done, such as a listener.  Of each, one task is kept alive."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.errors import BootError

LONGEST_KEY = 200
TRIGGER = "resident"
"""Of their tasks."""


class Resident(msgspec.Struct, frozen=True):
    """Its kind and `key` name it.  However its task ends, a new one is made within seconds.

    `payload` is anything msgspec can encode as JSON.  An empty title means the kind's own.
    """

    kind: str
    key: str = ""
    payload: Any = {}
    title: str = ""


def check_residents(residents: list[Resident]) -> None:
    """Raises `BootError` when one is named twice, or by a key that can't be stored."""
    seen = set()
    for resident in residents:
        if len(resident.key) > LONGEST_KEY or not resident.key.isprintable():
            raise BootError(f"the key of a resident {resident.kind} must be at most {LONGEST_KEY} printable characters")
        if (name := (resident.kind, resident.key)) in seen:
            raise BootError(f"resident {resident.kind} with the key {resident.key!r} is registered twice")
        seen.add(name)
