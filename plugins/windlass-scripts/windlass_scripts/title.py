"""The title of a script nobody named."""

from __future__ import annotations

import shlex

from windlass_scripts.payload import ExecuteScriptPayload

_LONGEST = 80
_LOOKED_AT = 4_096
"""Characters of the script; a title hides in the first lines or nowhere."""


def title_of(payload: ExecuteScriptPayload) -> str:
    """Its name in the library, its first comment, or how it starts; one line, at most 80 characters."""
    if payload.library is not None:
        return one_line(payload.library, _LONGEST)
    if payload.argv is not None:
        return one_line(shlex.join(payload.argv[:20]), _LONGEST)
    lines = [line.strip() for line in (payload.script or "")[:_LOOKED_AT].splitlines()]
    if lines and lines[0].startswith("#!"):
        del lines[0]
    for line in filter(None, lines):
        if not line.startswith(("#", "//")):
            return one_line(f"{payload.interpreter}: {line}", _LONGEST)
        comment = line.lstrip("#/").strip()
        if any(character.isalnum() for character in comment) and not comment.startswith(("-*-", "shellcheck ")):
            return one_line(comment, _LONGEST)
    return one_line(f"{payload.interpreter} script", _LONGEST)


def one_line(text: str, longest: int) -> str:
    """Printable text on one line, at most `longest` characters; what was cut shows as "…"."""
    clean = "".join(character for character in text[: 4 * longest] if character.isprintable() or character.isspace())
    clean = " ".join(clean.split())
    return clean if len(clean) <= longest else clean[: longest - 1].rstrip() + "…"
