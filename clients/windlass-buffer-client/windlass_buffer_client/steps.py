"""What a conversation asks of whoever carries it on: an event loop, or a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from windlass_buffer_client.scripts import Script


class Run(NamedTuple):
    """Run this script; its answer comes back."""

    script: Script
    arguments: tuple[Any, ...]


class Command(NamedTuple):
    """Run this command; its answer comes back, as Redis gives it."""

    words: tuple[Any, ...]


class Pause(NamedTuple):
    """Wait for so many seconds."""

    seconds: float


class Listen(NamedTuple):
    """Listen to this channel from now on, until the conversation is over."""

    channel: str


class Hear(NamedTuple):
    """Wait until something is said on the channel, for so many seconds at most."""

    seconds: float


class AskReplica(NamedTuple):
    """Ask the server of this DSN for its replicas.Facts, within so many seconds; a text says why there are none."""

    dsn: str
    seconds: float


class AskDatabase(NamedTuple):
    """Call the caller's own function; what it returns, or what its awaitable does, comes back."""

    function: Callable[[], Any]


Step = Run | Command | Pause | Listen | Hear | AskReplica | AskDatabase
