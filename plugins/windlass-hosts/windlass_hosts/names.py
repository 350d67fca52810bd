"""What a unit of systemd may be called."""

from __future__ import annotations

import re

UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,200}\.(service|socket|timer|target|path|mount)")


def check_unit(field: str, unit: str) -> None:
    """Raises `ValueError`, naming the field."""
    if not UNIT.fullmatch(unit):
        raise ValueError(f"{field}: {unit[:250]!r} is no unit; give its whole name, such as nginx.service")
