"""What text a process can be given at all."""

from __future__ import annotations


def check_text(field: str, text: str, limit: int) -> int:
    """The text's size in bytes; ValueError, naming `field`, when a process could not be given it."""
    if "\0" in text:
        raise ValueError(f"{field}: holds a NUL byte, which no process can be given; remove it")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{field}: holds half of a surrogate pair; send valid Unicode") from None
    if size > limit:
        raise ValueError(f"{field}: {size} bytes, more than the {limit} allowed; make it smaller")
    return size
