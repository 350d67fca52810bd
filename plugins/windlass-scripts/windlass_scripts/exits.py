"""What exit codes mean: 0 is a success and everything else worth another try, unless the task says otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Meaning = Literal["success", "retry", "failed"]

_KEY = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?\Z")


def check_exit_codes(codes: Mapping[str, Meaning]) -> None:
    """ValueError unless each key is a code ("3") or a range ("4-9") of 0 to 255, and none is named twice."""
    named: dict[int, str] = {}
    for key in codes:
        for code in _span(key):
            if code in named:
                raise ValueError(f"exit_codes: {named[code]!r} and {key!r} both name {code}; leave one of them out")
            named[code] = key


def meaning_of(code: int, codes: Mapping[str, Meaning]) -> Meaning:
    """For codes that `check_exit_codes` let through."""
    for key, meaning in codes.items():
        if code in _span(key):
            return meaning
    return "success" if code == 0 else "retry"


def _span(key: str) -> range:
    match = _KEY.match(key)
    if match:
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last <= 255:
            return range(first, last + 1)
    raise ValueError(f'exit_codes: {key!r} is no exit code; name one of 0 to 255 ("3"), or a range ("4-9")')
