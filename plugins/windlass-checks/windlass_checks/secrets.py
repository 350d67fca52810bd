"""Secrets by reference: a check names a file below the operator's `secrets_directory`."""

from __future__ import annotations

from windlass import Rejected, read_secret


class Secrets:
    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, field: str, name: str) -> str:
        """The secret without the line end at its end.  Raises `Rejected`, which names the field and what to change."""
        if not self._directory:
            raise Rejected(f"{field}: set plugins.checks.secrets_directory on this node; secret {name!r} is kept there")
        try:
            return read_secret(self._directory, name, field).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise Rejected(f"{field}: secret {name!r} is no UTF-8 text") from None
