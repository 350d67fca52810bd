"""Durations as people type them: `90`, `1.5h`, `30d`, `1h30m`."""

from __future__ import annotations

import re

from windlass_cli.exits import USAGE, Failure

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def seconds_of(text: str, option: str) -> float:
    """A number is seconds.  Failure, which names the option, when it is no duration."""
    words = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", words):
        return float(words)
    if words and not PART.sub("", words):
        return sum(float(number) * UNITS[unit] for number, unit in PART.findall(words))
    raise Failure(USAGE, f"{option} takes a time such as 30s, 5m, 12h or 90d, not {text!r}")
