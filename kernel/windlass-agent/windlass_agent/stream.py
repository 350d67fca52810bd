"""One stream to a kernel: what is to be sent on it, and the heartbeats between."""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Iterator
from typing import Any

from windlass.core.leases import LeaseTimes
from windlass_proto.v1 import workers_pb2, workers_service_pb2

WELCOME_SECONDS = 10.0
ANSWER_SECONDS = 10.0
"""So long a heartbeat may go unanswered before the stream is given up."""
AgentMessage = workers_service_pb2.AgentMessage


class Stream:
    """`times` are set once it is welcome; `call` is gRPC's."""

    def __init__(self, hello: workers_pb2.Hello) -> None:
        self.to_send: queue.SimpleQueue[AgentMessage | None] = queue.SimpleQueue()
        self.call: Any = None
        self.times: LeaseTimes | None = None
        self.opened = time.monotonic()
        self._hello = hello
        self._beats = itertools.count(1)
        self._sent: dict[int, float] = {}

    def messages(self) -> Iterator[AgentMessage]:
        """Runs in a thread of gRPC's."""
        yield AgentMessage(hello=self._hello)
        due = self.opened + WELCOME_SECONDS
        while True:
            try:
                message = self.to_send.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                if self._is_deaf():
                    self.call.cancel()
                    return
                due, message = self._next_beat()
            else:
                if message is None:
                    return
                if message.HasField("heartbeat"):
                    due, message = self._next_beat()
            yield message

    def beat(self) -> None:
        """Send a heartbeat now."""
        self.to_send.put(AgentMessage(heartbeat=workers_pb2.Heartbeat()))

    def answered(self, number: int) -> float | None:
        """When the heartbeat was sent that is answered, and all before it."""
        sent = self._sent.get(number)
        self._sent = {other: at for other, at in self._sent.items() if other > number}
        return sent

    def _is_deaf(self) -> bool:
        if self.times is None:
            return True
        oldest = min(self._sent.values(), default=None)
        return oldest is not None and time.monotonic() - oldest > ANSWER_SECONDS

    def _next_beat(self) -> tuple[float, AgentMessage]:
        number, now = next(self._beats), time.monotonic()
        self._sent[number] = now
        assert self.times is not None
        return now + self.times.renew, AgentMessage(heartbeat=workers_pb2.Heartbeat(number=number))
