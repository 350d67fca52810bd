"""What a node and a worker process say to each other: frames of msgpack with their length before them.

    node:    Boot            Run           Ask  Raise                    Answer        (the socket closes: exit)
    worker:         Ready           Begun         Said Said Said  Enter        Leave  Done

One task at a time.  A question (Enter, Check, Make; Get, Put, List, Delete of documents) has a number, which its answer
repeats; several may be open at once.  Who gives up waiting for a lane sends its `Leave`.  Nothing in a frame names code
to load but `Boot`, which the node makes of its own configuration.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from windlass.handler import TaskInfo, Wishes
from windlass.telemetry.relay import Finished

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
    trace: str = ""
    """Where the attempt's span stands, when somebody wants to know of its handler's (telemetry/relay.py)."""


class Ask(msgspec.Struct, frozen=True, tag=True):
    pass


class Raise(msgspec.Struct, frozen=True, tag=True):
    pass


class Refusal(msgspec.Struct, frozen=True):
    """An error of the node's, by the name of its class."""

    type: str
    message: str
    field: str = ""
    facts: dict[str, str] = {}


class Answer(msgspec.Struct, frozen=True, tag=True):
    """`value`: the fence, the child's id, or the version; `documents`: JSON."""

    number: int
    value: int = 0
    refusal: Refusal | None = None
    documents: bytes = b"[]"


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


class Traced(msgspec.Struct, frozen=True, tag=True):
    """A span of the handler has ended."""

    span: Finished


class Enter(msgspec.Struct, frozen=True, tag=True):
    """A lane is wanted; its number names it from now on."""

    number: int
    name: str
    waiting: str


class Check(msgspec.Struct, frozen=True, tag=True):
    number: int
    lane: int


class Leave(msgspec.Struct, frozen=True, tag=True):
    """The lane, or the place in its line, is given up.  Not answered."""

    lane: int


class Make(msgspec.Struct, frozen=True, tag=True):
    """A child is wanted; `payload` is JSON."""

    number: int
    kind: str
    payload: bytes
    wishes: Wishes


class Get(msgspec.Struct, frozen=True, tag=True):
    number: int
    name: str
    version: int | None


class Put(msgspec.Struct, frozen=True, tag=True):
    """A document is to be stored; `value` is JSON."""

    number: int
    name: str
    value: bytes
    expected: int | None
    keep: int


class List(msgspec.Struct, frozen=True, tag=True):
    number: int
    prefix: str
    after: str
    limit: int


class Delete(msgspec.Struct, frozen=True, tag=True):
    number: int
    name: str
    expected: int | None


class Done(msgspec.Struct, frozen=True, tag=True):
    """`result` is JSON; `after` is seconds.  A worker that is not `clean` must not be used again."""

    end: Literal["success", "failed", "retry", "misfit", "cancelled"]
    message: str = ""
    result: bytes | None = None
    after: float | None = None
    clean: bool = True


Word = Stage | Progress | Step | Output | Traced
Paper = Get | Put | List | Delete
Question = Enter | Check | Make | Paper
FromWorker = Ready | Begun | Word | Question | Leave | Done
FromNode = Boot | Run | Ask | Raise | Answer

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
