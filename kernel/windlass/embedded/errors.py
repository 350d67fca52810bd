"""The one error of this package."""

from __future__ import annotations

from windlass.errors import BootError


class EmbeddedError(BootError):
    """The servers could not be started or reached; the message says what is wrong and what to do about it."""

    reason = "EMBEDDED"
