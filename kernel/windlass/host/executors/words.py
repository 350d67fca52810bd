"""Inside a worker process: the line to the node, and the two contexts that speak through it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import Any, Unpack

from windlass.handler import BlockingContext, BlockingLane, Context, Interrupted, Lane, TaskInfo, Wishes
from windlass.host.context import LARGEST_CHUNK, check_stream, clean, step_data
from windlass.host.executors import wire
from windlass.host.executors.asking import Asking
from windlass.host.executors.papers import AskedDocuments, BlockingAskedDocuments
from windlass.telemetry.relay import Finished


class Interrupting:
    """Raises `Interrupted` in the main thread: at the next signal while armed, or when a shield is put down."""

    def __init__(self) -> None:
        self._armed = False
        self._wanted = False

    def on_signal(self, *_: object) -> None:
        self._wanted = True
        self._raise_if_wanted()

    def arm(self) -> None:
        self._armed, self._wanted = True, False

    def disarm(self) -> None:
        self._armed = False

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """A frame that is half sent would be the end of the connection."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before, self._armed = self._armed, False
        try:
            yield
        finally:
            self._armed = before
        self._raise_if_wanted()

    def _raise_if_wanted(self) -> None:
        if self._armed and self._wanted:
            self._armed = False
            raise Interrupted


class Line:
    """Our end of the socket.  Sending blocks as long as the node does not read, which is our back-pressure."""

    def __init__(self, channel: socket.socket, interrupting: Interrupting) -> None:
        self._channel = channel
        self._interrupting = interrupting
        self._lock = threading.Lock()

    def send(self, message: wire.FromWorker) -> None:
        data = wire.frame(message)
        with self._interrupting.shielded(), self._lock:
            self._channel.sendall(data)

    def receive(self) -> wire.FromNode | None:
        """The next frame; None when the node is gone."""
        head = self._read(wire.HEAD.size)
        body = head and self._read(wire.size_of(head))
        message: wire.FromNode | None = wire.from_node.decode(body) if body else None
        return message

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self._channel.recv(size - len(data))
            except OSError:
                return b""
            if not piece:
                return b""
            data += piece
        return data


class Speaking:
    """The words, checked as the node would check them: what is wrong is raised where it was said."""

    over = False

    def __init__(self, line: Line) -> None:
        self._line = line

    def stage(self, name: str) -> None:
        self._send(wire.Stage(clean(name, 200)))

    def progress(self, current: int, total: int | None) -> None:
        self._send(wire.Progress(int(current), None if total is None else int(total)))

    def step(self, text: str, data: dict[str, Any]) -> None:
        encoded = step_data(data)
        self._send(wire.Step(clean(text), encoded.encode() if encoded else None))

    def output(self, data: bytes, stream: str) -> None:
        check_stream(stream)
        for start in range(0, len(data), LARGEST_CHUNK):
            self._send(wire.Output(stream, bytes(data[start : start + LARGEST_CHUNK])))

    def traced(self, span: Finished) -> None:
        self._send(wire.Traced(span))

    def _send(self, word: wire.Word) -> None:
        # A thread that the handler left behind must not speak in the next task's name.
        if not self.over:
            self._line.send(word)


class WorkerContext(BlockingContext):
    def __init__(self, task: TaskInfo, speaking: Speaking, asking: Asking) -> None:
        self.task = task
        self.cancelled = threading.Event()
        self.documents = BlockingAskedDocuments(asking)
        self._speaking = speaking
        self._asking = asking

    def stage(self, name: str) -> None:
        self._speaking.stage(name)

    def progress(self, current: int, total: int | None = None) -> None:
        self._speaking.progress(current, total)

    def step(self, text: str, **data: Any) -> None:
        self._speaking.step(text, data)

    def output(self, data: bytes, stream: str = "stdout") -> None:
        self._speaking.output(data, stream)

    def lane(self, name: str, waiting: str = "") -> AbstractContextManager[BlockingLane]:
        return self._asking.lane(name, waiting)

    def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        return self._asking.child(kind, payload, wishes)


class AsyncWorkerContext(Context):
    """For an async handler in a worker.  Sending may block its loop, which is all its own; an answer is awaited."""

    def __init__(self, task: TaskInfo, speaking: Speaking, asking: Asking) -> None:
        self.task = task
        self.cancelled = asyncio.Event()
        self.documents = AskedDocuments(asking)
        self._speaking = speaking
        self._asking = asking

    async def stage(self, name: str) -> None:
        self._speaking.stage(name)

    async def progress(self, current: int, total: int | None = None) -> None:
        self._speaking.progress(current, total)

    async def step(self, text: str, **data: Any) -> None:
        self._speaking.step(text, data)

    async def output(self, data: bytes, stream: str = "stdout") -> None:
        self._speaking.output(data, stream)

    def lane(self, name: str, waiting: str = "") -> AbstractAsyncContextManager[Lane]:
        return self._asking.lane_in_loop(name, waiting)

    async def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        return await self._asking.child_in_loop(kind, payload, wishes)
