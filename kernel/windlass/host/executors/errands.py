"""What a worker process asks of the node during one attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from windlass.documents import Document, Documents
from windlass.errors import AttemptSuperseded
from windlass.handler import Context
from windlass.host.executors import wire
from windlass.host.executors.passage import Passage
from windlass.host.executors.refusals import pack

Answered = int | None | list[Document]


class Errands:
    """Each runs beside the reading of frames: somebody who waits for a lane goes on talking, and may give it up."""

    def __init__(self, ctx: Context, send: Callable[[wire.Answer], None]) -> None:
        self._ctx = ctx
        self._send = send
        self._passages: dict[int, Passage] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, question: wire.Question) -> None:
        errand = asyncio.create_task(self._answer(question.number, self._run(question)))
        self._under_way.add(errand)
        errand.add_done_callback(self._under_way.discard)

    async def leave(self, lane: int) -> None:
        if passage := self._passages.pop(lane, None):
            await passage.leave()

    async def close(self) -> None:
        """The attempt, or its worker, is over: whatever it held or waited for is given up."""
        for errand in self._under_way:
            errand.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        for lane in list(self._passages):
            await self.leave(lane)

    def _run(self, question: wire.Question) -> Coroutine[Any, Any, Answered]:
        match question:
            case wire.Enter():
                passage = self._passages[question.number] = Passage(self._ctx, question.name, question.waiting)
                return passage.enter()
            case wire.Check():
                return self._check(question.lane)
            case wire.Make():
                return self._ctx.enqueue(question.kind, question.payload, **question.wishes)
            case paper:
                return _fetch(self._ctx.documents, paper)

    async def _check(self, lane: int) -> None:
        passage = self._passages.get(lane)
        if passage is None:
            raise AttemptSuperseded("the lane was left before")
        await passage.check()

    async def _answer(self, number: int, errand: Coroutine[Any, Any, Answered]) -> None:
        try:
            found = await errand
            if isinstance(found, list):
                answer = wire.Answer(number, documents=msgspec.json.encode(found))
            else:
                answer = wire.Answer(number, found or 0)
        except Exception as error:  # noqa: BLE001 - it is raised where the question was asked
            answer = wire.Answer(number, refusal=pack(error))
        self._send(answer)


async def _fetch(documents: Documents, paper: wire.Paper) -> Answered:
    match paper:
        case wire.Get():
            found = await documents.get(paper.name, paper.version)
            return [] if found is None else [found]
        case wire.Put():
            return await documents.put(paper.name, msgspec.Raw(paper.value), expected=paper.expected, keep=paper.keep)
        case wire.List():
            return await documents.list(paper.prefix, paper.after, paper.limit)
        case wire.Delete():
            return int(await documents.delete(paper.name, expected=paper.expected))
