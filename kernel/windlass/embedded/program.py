"""What the supervisor must know of a server to run it: one record for PostgreSQL, initdb and Valkey alike."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from windlass.embedded.identity import Identity
from windlass.embedded.leftovers import claim

# Of the caller's environment only this: PGPORT, PGDATA, LD_PRELOAD and their like would change what runs.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


async def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    folder: Path
    """Its data. Locked by the program and all it forks."""
    argv: Callable[[int], Sequence[str]]
    """From the inherited descriptor of `folder` to the command."""
    death_signal: Signals
    """What it gets when the supervisor dies, however it dies."""
    stop_signals: tuple[tuple[Signals, float], ...] = ((Signals.SIGKILL, 5.0),)
    """How it is stopped: each signal, and the seconds it may take before the next."""
    answers: Callable[[], Awaitable[bool]] = _never
    """Whether it serves."""
    inside: bool = False
    """Whether it starts in `folder`. PostgreSQL finds its own files only from a directory that it may come back to."""
    sweep: Callable[[], None] = lambda: None
    """Removes what an earlier life left; called when none of its processes is alive."""


async def launch(program: Program, identity: Identity) -> asyncio.subprocess.Process:
    """Starts it, once nothing of its earlier life is left. Its output is the process' `stdout`."""
    descriptor = await claim(program.folder)
    try:
        program.sweep()
        return await asyncio.create_subprocess_exec(
            *identity.command(program.argv(descriptor), program.death_signal),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[descriptor],
            env=ENVIRONMENT,
            cwd=program.folder if program.inside else "/",
        )
    finally:
        os.close(descriptor)
