"""The control socket: what a user and the supervisor say to each other, one JSON line each way.

The connection *is* the use: it stays open as long as the user lives, and the kernel closes it however the user ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from windlass.embedded.layout import Layout

NAME = "control.sock"


@dataclass(frozen=True, slots=True)
class Request:
    """What a user wants. The last two behave as a machine without the wheels or without user namespaces (tests)."""

    valkey: bool = True
    tcp: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    wheels: bool = True
    namespaces: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the servers are, or in `error` why they are not. `valkey` is the path of its socket, or empty."""

    error: str = ""
    sockets: str = ""
    port: int = 0
    valkey: str = ""
    postgres_version: str = ""


def encode(message: Request | Answer) -> bytes:
    return json.dumps(asdict(message)).encode() + b"\n"


def decode_request(line: bytes) -> Request:
    """Raises ValueError for a line of another version of Windlass."""
    return Request(**_fields(line, Request))


def decode_answer(line: bytes) -> Answer:
    """Raises ValueError for a line of another version of Windlass."""
    return Answer(**_fields(line, Answer))


def _fields(line: bytes, message: type[Request | Answer]) -> dict[str, Any]:
    fields = json.loads(line)
    if not isinstance(fields, dict) or not fields.keys() <= message.__dataclass_fields__.keys():
        raise ValueError("a message of another version of Windlass")
    return fields


def take_lock(layout: Layout) -> int | None:
    """A descriptor that holds the right to be the supervisor, or None while another holds it.

    It is taken by the user who is about to start the supervisor, and handed down: the lock is free exactly when no
    supervisor lives and nobody is starting one.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def listen(folder: Path) -> socket.socket:
    """Raises OSError on a file system without sockets. Only the holder of the supervisor's lock may call this."""
    with suppress(FileNotFoundError):
        (folder / NAME).unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _address(folder) as address:
        listener.bind(address)
    listener.listen(128)
    return listener


def connect(folder: Path) -> socket.socket | None:
    """None when nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(folder) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """A short name of the socket, since the kernel cuts off at 107 bytes however long the folder's own name is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
