"""What a plugin says of itself in the overview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class HealthLine(msgspec.Struct, frozen=True):
    """A name and its value, for people.  `is_alarming`: it needs a look."""

    name: str
    value: str
    is_alarming: bool = False


class HealthGauge(msgspec.Struct, frozen=True):
    """A number for `/metrics`: `depth` of the plugin `buffer` is `windlass_plugin_buffer_depth` there.

    `name`: a-z, 0-9 and `_`.  `unit` is `s`, `By`, or a noun in braces.  Those of one name have the same labels.
    """

    name: str
    value: float
    labels: Mapping[str, str] = {}
    unit: str = ""
    words: str = ""
    """What it says, for whoever reads the page of metrics."""


class HealthSection(msgspec.Struct, frozen=True):
    """A part of the overview, which stands under the plugin's name.

    `summary` is one line; of `lines` the first 50 are shown.  `data` is the same and more for programs: anything
    msgspec can encode as JSON, at most 64 KiB encoded.
    """

    title: str
    summary: str = ""
    lines: Sequence[HealthLine] = ()
    data: Any = None
    probe: Mapping[str, Any] = {}
    """What stands beside the status on `/health`, under its own names, at most 16 KiB.  Nobody needs a token there."""
    gauges: Sequence[HealthGauge] = ()
    """The first 1,000 are taken.  Whoever reads the metrics sees them, without a token too."""
