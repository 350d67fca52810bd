"""Which environment variables may be given to a script."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

FORBIDDEN = ("LD_*", "BASH_ENV", "GCONV_PATH", "GLIBC_TUNABLES")
"""They run code inside programs before the first line of the script that people read and approve."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_variable(field: str, name: str) -> None:
    """ValueError, naming `field` and what to do, when `name` can be no variable of a script."""
    if not _NAME.match(name):
        raise ValueError(f"{field}: {name!r} is no variable name; use letters, digits and _, not starting with a digit")
    if name.startswith("WINDLASS_"):
        raise ValueError(f"{field}: {name} is set by Windlass itself; choose a name that doesn't start with WINDLASS_")


def refused(names: Iterable[str], forbidden: Iterable[str]) -> str | None:
    """The first of `names` that one of the patterns `forbidden` matches."""
    patterns = tuple(forbidden)
    return next((name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)), None)
