"""What a plugin says of itself in the overview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class HealthLine(msgspec.Struct, frozen=True):
    """A name and its value, for people.  `is_alarming`: it needs a look."""

    name: str
    value: str
    is_alarming: bool = False


class HealthSection(msgspec.Struct, frozen=True):
    """A part of the overview, which stands under the plugin's name.

    `summary` is one line; of `lines` the first 50 are shown.  `data` is the same and more for programs: anything
    msgspec can encode as JSON, at most 64 KiB encoded.
    """

    title: str
    summary: str = ""
    lines: Sequence[HealthLine] = ()
    data: Any = None
