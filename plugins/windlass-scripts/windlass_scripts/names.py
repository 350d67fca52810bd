"""Which environment variables may be given to a script."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REFUSED = frozenset({"BASH_ENV", "GCONV_PATH", "GLIBC_TUNABLES"})
"""Like LD_PRELOAD, they run code inside programs before the first line of the script that people read and approve."""


def check_variable(field: str, name: str) -> None:
    """ValueError, naming `field` and what to do, when `name` is no variable we hand to a script."""
    if not _NAME.match(name):
        raise ValueError(f"{field}: {name!r} is no variable name; use letters, digits and _, not starting with a digit")
    if name.startswith("WINDLASS_"):
        raise ValueError(f"{field}: {name} is set by Windlass itself; choose a name that doesn't start with WINDLASS_")
    if name in _REFUSED or name.startswith("LD_"):
        raise ValueError(f"{field}: {name} changes how programs are loaded and is refused; set it inside the script")
