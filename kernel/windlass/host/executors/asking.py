"""Inside a worker process: questions to the node, and who waits for which answer."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from typing import Any

from windlass.errors import AttemptSuperseded
from windlass.handler import BlockingLane, Lane, Wishes
from windlass.host.children import checked, encoded
from windlass.host.context import LARGEST_NAME, check_lane_name, clean
from windlass.host.executors import wire
from windlass.host.executors.passage import Inside
from windlass.host.executors.refusals import unpack


class Asking:
    """One attempt's questions.  `answered` comes from another thread than the one that waits."""

    def __init__(self, send: Callable[[wire.Question | wire.Leave], None]) -> None:
        self._send = send
        self._numbers = count(1)
        self._waiting: dict[int, Callable[[wire.Answer], None]] = {}
        self._over = False

    def number(self) -> int:
        """A question's own."""
        return next(self._numbers)

    def answered(self, answer: wire.Answer) -> None:
        if tell := self._waiting.pop(answer.number, None):
            tell(answer)

    def close(self) -> None:
        """A thread that the handler left behind must not ask in the next task's name.  Its worker is not used again."""
        self._over = True

    @contextmanager
    def lane(self, name: str, waiting: str) -> Iterator[BlockingLane]:
        wanted = self._entry(name, waiting)
        try:
            fence = self.wait(wanted).value
            yield Inside(name, fence, lambda: self.wait(wire.Check(self.number(), wanted.number)))
        finally:
            self._leave(wanted)

    @asynccontextmanager
    async def lane_in_loop(self, name: str, waiting: str) -> AsyncIterator[Lane]:
        wanted = self._entry(name, waiting)
        try:
            fence = (await self.result(wanted)).value
            yield _Inside(name, fence, lambda: self.result(wire.Check(self.number(), wanted.number)))
        finally:
            self._leave(wanted)

    def child(self, kind: str, payload: object, wishes: Wishes) -> int:
        return self.wait(self._child(kind, payload, wishes)).value

    async def child_in_loop(self, kind: str, payload: object, wishes: Wishes) -> int:
        return (await self.result(self._child(kind, payload, wishes))).value

    def _entry(self, name: str, waiting: str) -> wire.Enter:
        check_lane_name(name)
        return wire.Enter(self.number(), name, clean(waiting, LARGEST_NAME))

    def _leave(self, wanted: wire.Enter) -> None:
        if not self._over:
            self._send(wire.Leave(wanted.number))

    def _child(self, kind: str, payload: object, wishes: Wishes) -> wire.Make:
        # What does not fit is raised here: the node would take it for a broken frame.
        return wire.Make(self.number(), clean(kind), encoded(payload), checked(wishes))

    def wait(self, question: wire.Question) -> wire.Answer:
        """The answer, in a blocking handler.  Raises what the node raised."""
        # Its `get` can be interrupted by a signal, and its `put` never waits.
        answers: queue.SimpleQueue[wire.Answer] = queue.SimpleQueue()
        try:
            self._ask(question, answers.put)
            return _granted(answers.get())
        finally:
            self._waiting.pop(question.number, None)

    async def result(self, question: wire.Question) -> wire.Answer:
        """The same, awaited."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[wire.Answer] = loop.create_future()

        def settle(said: wire.Answer) -> None:
            if not answer.done():
                answer.set_result(said)

        def tell(said: wire.Answer) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, said)

        try:
            self._ask(question, tell)
            return _granted(await answer)
        finally:
            self._waiting.pop(question.number, None)

    def _ask(self, question: wire.Question, tell: Callable[[wire.Answer], None]) -> None:
        self._waiting[question.number] = tell
        if self._over:
            raise AttemptSuperseded("the task of this worker is over")
        self._send(question)


class _Inside(Lane):
    def __init__(self, name: str, fence: int, check: Callable[[], Any]) -> None:
        self.name = name
        self.fence = fence
        self._check = check

    async def check(self) -> None:
        await self._check()


def _granted(answer: wire.Answer) -> wire.Answer:
    if answer.refusal is not None:
        raise unpack(answer.refusal)
    return answer
