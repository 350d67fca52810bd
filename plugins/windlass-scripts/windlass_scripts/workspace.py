"""Where one attempt works: a private directory that its runner makes and removes, and we should the runner fail to."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from windlass_scripts.persist import persist
from windlass_scripts.runner.place import HOME, SCRIPT
from windlass_scripts.runner.remove import remove_tree


class Workspace:
    """Its paths.  `home` is the script's working directory, HOME and TMPDIR; `script` is the file with its text."""

    def __init__(self, root: str) -> None:
        self.root = root = os.path.realpath(root)  # a sandbox's mounts follow no symbolic link
        self.home = os.path.join(root, HOME.decode())
        self.script = os.path.join(root, SCRIPT.decode())

    @property
    def removed(self) -> bool:
        return not os.path.lexists(self.root)


@asynccontextmanager
async def workspace(parent: str) -> AsyncIterator[Workspace]:
    """A workspace in `parent` (empty: the system's temporary directory) that nobody has used and nobody will find."""
    place = Workspace(os.path.join(parent or tempfile.gettempdir(), f"windlass-script-{uuid.uuid4().hex}"))
    try:
        yield place
    finally:
        if not place.removed:  # in a thread: a script may have left a million files
            await persist(asyncio.to_thread(remove_tree, place.root))
