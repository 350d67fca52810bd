"""Text of strangers (banners, redirects, errors of servers) on its way to a card."""

from __future__ import annotations

LONGEST = 200


def one_line(text: str, longest: int = LONGEST) -> str:
    """Printable text on one line; what was cut shows as "…"."""
    clean = "".join(letter for letter in text[: 4 * longest] if letter.isprintable() or letter.isspace())
    clean = " ".join(clean.split())
    return clean if len(clean) <= longest else clean[: longest - 1].rstrip() + "…"
