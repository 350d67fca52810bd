"""Values that look like secrets are not shown until somebody who may asks for them.

The names are those that the server's audit log leaves out as well, and what a kind's schema marks as `writeOnly`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

HIDDEN = "••••••"
DEEPEST = 60
"""Levels of JSON that are shown: what is deeper nobody reads, and Python's own JSON writer can't write it."""

NAMED_LIKE_SECRETS = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|authorization|cookie|(api|access|private|signing|encryption)[_-]?key"
    r"|^auth$|dsn$|(^|[_-])key$",
    re.IGNORECASE,
)


def masked(value: Any, marked: Collection[str] = ()) -> Any:
    """The same JSON with HIDDEN in the place of each secret.  `marked`: names that are secret, whatever they look like.

    Everything below such a name is hidden, but what says nothing: null, true, false and the empty text.
    """
    return _masked(value, marked, False, 0)


def _masked(value: Any, marked: Collection[str], hide: bool, depth: int) -> Any:
    if depth > DEEPEST:
        return "(nested too deep to be shown)"
    if isinstance(value, dict):
        return {
            name: _masked(inner, marked, hide or name in marked or bool(NAMED_LIKE_SECRETS.search(name)), depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_masked(inner, marked, hide, depth + 1) for inner in value]
    return HIDDEN if hide and value is not None and value != "" and not isinstance(value, bool) else value


def marked_names(schema: Any) -> Iterator[str]:
    """The properties that a JSON Schema marks as `writeOnly`, at any depth."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        for name, part in properties.items() if isinstance(properties, dict) else ():
            if isinstance(part, dict) and part.get("writeOnly") is True:
                yield name
        for part in schema.values():
            yield from marked_names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from marked_names(part)
