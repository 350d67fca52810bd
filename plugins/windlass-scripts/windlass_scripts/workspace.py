"""The private directory of one attempt: made 0700, gone afterwards whatever happened."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from windlass_scripts.persist import persist
from windlass_scripts.runner.remove import remove_tree


class Workspace:
    """`home` is the script's working directory, HOME and TMPDIR; the script itself lies beside it, out of its way."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.home = os.path.join(root, "work")
        self.removed = False
        os.mkdir(self.home, 0o700)

    def write_script(self, text: str) -> str:
        """The path of a file with the text, as UTF-8, that only we can read or write."""
        path = os.path.join(self.root, "script")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode())
        return path


@asynccontextmanager
async def workspace(parent: str) -> AsyncIterator[Workspace]:
    """A fresh workspace in `parent` (empty: the system's temporary directory)."""
    place = Workspace(tempfile.mkdtemp(prefix="windlass-script-", dir=parent or None))
    try:
        yield place
    finally:
        # In a thread: a script may have left a million files.
        place.removed = await persist(asyncio.to_thread(remove_tree, place.root))
