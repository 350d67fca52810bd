"""Whole numbers as people type them."""

from __future__ import annotations


def whole(text: object, most: int = 999_999_999) -> int | None:
    """From 0 to `most`; None for everything else, also for none at all and for digits of other scripts."""
    said = str(text).strip()
    if not (said.isascii() and said.isdecimal()) or len(said) > 18:
        return None
    number = int(said)
    return number if number <= most else None
