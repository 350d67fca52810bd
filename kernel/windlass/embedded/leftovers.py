"""Knows whether any process of an earlier server is still alive, without trusting a pid.

Every server inherits a descriptor of its data folder that holds a flock on it, and so does each process it forks. The
lock is free exactly when the last of them is gone: the kernel keeps the books, through kill -9 and power loss. Pid
files cannot say that: after a restart their numbers belong to strangers.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from windlass.embedded.errors import EmbeddedError

PATIENCE = 5.0  # s; a server told to end at once by its supervisor's death needs about 10 ms
POLL = 0.01  # s

log = logging.getLogger(__name__)


async def claim(folder: Path, patience: float = PATIENCE) -> int:
    """A descriptor of `folder` that holds its lock, to be handed to the next server.

    Waits `patience` seconds for what still runs there, then kills it. Raises EmbeddedError if even that does not help.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if await _lock(descriptor, patience):
            return descriptor
        for pid in holders(folder):
            log.warning("killing process %d, left over in %s", pid, folder)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if await _lock(descriptor, PATIENCE):
            return descriptor
        raise EmbeddedError(f"another process holds {folder}: end it (`lsof {folder}` names it) and start again")
    except BaseException:
        os.close(descriptor)
        raise


async def _lock(descriptor: int, patience: float) -> bool:
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(POLL)


def holders(folder: Path) -> Iterator[int]:
    """The processes that hold the folder's lock; one that merely has the folder open (a backup, a shell) does not."""
    wanted = folder.stat()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
            for entry in (process / "fd").iterdir():
                if os.path.samestat(entry.stat(), wanted) and _locks(process / "fdinfo" / entry.name):
                    yield int(process.name)
                    break


def _locks(fdinfo: Path) -> bool:
    return "FLOCK" in fdinfo.read_text()  # proc(5): the locks held through this open file description
