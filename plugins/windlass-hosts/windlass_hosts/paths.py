"""What a path may look like: absolute, plain, and meaning nothing but itself."""

from __future__ import annotations

import re

PART = re.compile(r"(?!-|\.\.?$)[A-Za-z0-9._@+=,:%~-]{1,200}")
LONGEST_PATH = 1_000


def parts_of(field: str, path: str) -> tuple[str, ...]:
    """The names from the root on.  Raises `ValueError`, naming the field."""
    if not path.startswith("/") or len(path) > LONGEST_PATH:
        raise ValueError(f"{field}: {path[:100]!r} must be an absolute path of at most {LONGEST_PATH} characters")
    parts = tuple(path[1:].split("/"))
    for part in parts:
        if not PART.fullmatch(part):
            raise ValueError(
                f"{field}: {part[:100]!r} in {path[:200]!r} is not taken; each name is 1 to 200 of letters, digits and"
                " . _ @ + = , : % ~ - (no - first), without . and .. and doubled or trailing slashes"
            )
    return parts
