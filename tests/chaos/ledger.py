"""The external ledger: plain files of JSON lines, beside the system and never read by it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """A folder; this process appends to one of its files."""

    def __init__(self, folder: Path, name: str = "submitter") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._descriptor = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, **facts: Any) -> None:
        os.write(self._descriptor, json.dumps({"what": what, "at": time.time(), **facts}).encode() + b"\n")

    def close(self) -> None:
        os.close(self._descriptor)

    def lines(self, pattern: str = "submitter", holding: bytes = b"") -> Iterator[Line]:
        """What these files say, in lines that hold this.  The last line of a killed process may be torn: left out."""
        for file in sorted(self.folder.glob(pattern)):
            for line in file.read_bytes().split(b"\n"):
                if line.endswith(b"}") and holding in line:
                    yield json.loads(line)

    def executions(self) -> Iterator[Line]:
        return self.lines("executions-*")
