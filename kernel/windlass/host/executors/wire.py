"""What a node and a worker process say to each other: frames of msgpack with their length before them.

    node:    Boot            Run           Ask  Raise                   (the socket closes: exit)
    worker:         Ready           Begun         Said Said Said  Done

One task at a time.  Nothing in a frame names code to load but `Boot`, which the node makes of its own configuration.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from windlass.handler import TaskInfo

LARGEST_FRAME = 64 * 1024 * 1024
HEAD = struct.Struct("!I")


class Recipe(msgspec.Struct, frozen=True):
    """How to load the same plugins once more: the `[plugins]` table, extra modules by name, whether installed ones."""

    config: Mapping[str, Mapping[str, Any]] = {}
    modules: Mapping[str, str] = {}
    installed: bool = True


class Boot(msgspec.Struct, frozen=True, tag=True):
    recipe: Recipe
    path: list[str]


class Run(msgspec.Struct, frozen=True, tag=True):
    task: TaskInfo
    payload: bytes
    asked: bool = False
    """The interrupt was faster than the worker."""


class Ask(msgspec.Struct, frozen=True, tag=True):
    pass


class Raise(msgspec.Struct, frozen=True, tag=True):
    pass


class Ready(msgspec.Struct, frozen=True, tag=True):
    broken: str = ""
    """Why the worker can't work."""


class Begun(msgspec.Struct, frozen=True, tag=True):
    pass


class Stage(msgspec.Struct, frozen=True, tag=True):
    name: str


class Progress(msgspec.Struct, frozen=True, tag=True):
    current: int
    total: int | None


class Step(msgspec.Struct, frozen=True, tag=True):
    text: str
    data: bytes | None
    """JSON."""


class Output(msgspec.Struct, frozen=True, tag=True):
    stream: str
    data: bytes


class Done(msgspec.Struct, frozen=True, tag=True):
    """`result` is JSON; `after` is seconds.  A worker that is not `clean` must not be used again."""

    end: Literal["success", "failed", "retry", "misfit", "cancelled"]
    message: str = ""
    result: bytes | None = None
    after: float | None = None
    clean: bool = True


Word = Stage | Progress | Step | Output
FromWorker = Ready | Begun | Stage | Progress | Step | Output | Done
FromNode = Boot | Run | Ask | Raise

_encoder = msgspec.msgpack.Encoder()
from_worker = msgspec.msgpack.Decoder(FromWorker)
from_node = msgspec.msgpack.Decoder(FromNode)


def frame(message: FromWorker | FromNode) -> bytes:
    body = _encoder.encode(message)
    return HEAD.pack(len(body)) + body


def size_of(head: bytes) -> int:
    """Bytes of the frame that follows.  Raises `ValueError` when no frame is so large."""
    size: int = HEAD.unpack(head)[0]
    if size > LARGEST_FRAME:
        raise ValueError(f"a frame of {size} bytes; at most {LARGEST_FRAME} are taken")
    return size
