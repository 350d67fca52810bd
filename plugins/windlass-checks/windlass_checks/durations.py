"""Lengths of time as operators write them ("90s", "5m") and read them ("5 min")."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SAID = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def seconds_of(field: str, written: str | float) -> float:
    """Seconds.  ValueError, which names the field, for what is no length of time."""
    if isinstance(written, int | float):
        return float(written)
    if (found := _WRITTEN.fullmatch(written.strip())) is None:
        raise ValueError(f'{field}: {written!r} is no length of time; write seconds, or text like "90s", "5m", "1h"')
    return float(found[1]) * _UNITS[found[2]]


def said(seconds: float) -> str:
    """ "40 s", "5 min", "3 h", "12 d": whole units, rounded down."""
    for length, unit in _SAID:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
