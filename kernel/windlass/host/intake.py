"""Batches that keep coming: each is stored in a transaction of its own and answered, in the order of their coming.

    read and check  ─>  store  ─>  answer

The three go on beside each other, with room for one batch between them.  Nothing is read beyond that: a client that
sends faster than the store takes is held by its connection's flow control.  Batches commit one after the other, so
whatever ends a stream, what is stored of it is its beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from windlass.errors import ShuttingDown
from windlass.store.facts import NewTask, Receipt

ROOM = 1
Batch = Sequence[NewTask]
Store = Callable[[Batch], Awaitable[list[Receipt]]]


class Intake:
    """All streams of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._streams: set[_Stream] = set()
        self._is_closed = False

    async def receipts(self, batches: AsyncIterator[Batch]) -> AsyncGenerator[list[Receipt], None]:
        """The answers to each batch.  Raises what `batches` or the store raised, once all before it are answered.

        Raises `ShuttingDown` after `close`, once what had been read is answered.
        """
        if self._is_closed:
            raise _refusal()
        stream = _Stream(batches, self._store)
        self._streams.add(stream)
        try:
            while (answer := await stream.answer()) is not None:
                yield answer
        finally:
            self._streams.discard(stream)
            await stream.end()

    def close(self) -> None:
        """Read no more, on any stream."""
        self._is_closed = True
        for stream in self._streams:
            stream.leave()


class _Stream:
    def __init__(self, batches: AsyncIterator[Batch], store: Store) -> None:
        self._store = store
        self._read: asyncio.Queue[Batch | Exception | None] = asyncio.Queue(ROOM)
        self._answers: asyncio.Queue[list[Receipt] | Exception | None] = asyncio.Queue(ROOM)
        self._leaving = False
        self._reading = asyncio.create_task(self._read_all(batches))
        self._storing = asyncio.create_task(self._store_all())

    async def answer(self) -> list[Receipt] | None:
        """The next one; None after the last."""
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def leave(self) -> None:
        """Read no more, and say so after the last answer."""
        self._leaving = True
        # Not at once: a task that is cancelled before its first step never comes to its `except`.
        asyncio.get_running_loop().call_soon(self._reading.cancel)

    async def end(self) -> None:
        # A batch that is being stored is stored whole: the store shields it.
        self._leaving = False
        self._reading.cancel()
        self._storing.cancel()
        await asyncio.gather(self._reading, self._storing, return_exceptions=True)

    async def _read_all(self, batches: AsyncIterator[Batch]) -> None:
        last: Exception | None = None
        try:
            async for batch in batches:
                await self._read.put(batch)
        except asyncio.CancelledError:
            if not self._leaving:
                raise
            last = _refusal()
        except Exception as error:  # noqa: BLE001 - the stream's reader raises it
            last = error
        await self._read.put(last)

    async def _store_all(self) -> None:
        while (batch := await self._read.get()) is not None and not isinstance(batch, Exception):
            try:
                receipts = await self._store(batch)
            except Exception as error:  # noqa: BLE001 - the stream's reader raises it
                await self._answers.put(error)
                return
            await self._answers.put(receipts)
        await self._answers.put(batch)


def _refusal() -> ShuttingDown:
    return ShuttingDown("this server shuts down: send what was not answered to another")
