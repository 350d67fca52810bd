"""A log file that a server's output is appended to and that never grows without bound."""

from __future__ import annotations

import asyncio
from pathlib import Path

LARGEST = 8 * 1024 * 1024  # bytes; one earlier file of the same size is kept beside it
CHUNK = 64 * 1024


class BoundedLog:
    """The supervisor reads the servers' output itself: PostgreSQL's own collector has no bound within a day."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        self.path = path
        self._largest = largest
        self._tail = b""

    async def follow(self, output: asyncio.StreamReader) -> None:
        """Appends until every process that holds the other end is gone."""
        while chunk := await output.read(CHUNK):
            self.append(chunk)

    def append(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-CHUNK:]
        if self.path.exists() and self.path.stat().st_size + len(chunk) > self._largest:
            self.path.replace(self.path.with_suffix(".log.1"))
        with self.path.open("ab") as file:
            file.write(chunk)

    def last_words(self) -> str:
        """The line that says best why a server ended: its last fatal one, else its last."""
        lines = [line for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if "FATAL" in line or "error:" in line]
        return (telling or lines or ["(it said nothing)"])[-1].strip()
