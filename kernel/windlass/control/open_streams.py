"""Streams outlive the check at their start: this one place looks again, and ends those whose token is no good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import structlog

from windlass.control.status import refuse
from windlass.errors import StoreUnavailable, Unauthenticated
from windlass.host.access import Access
from windlass.host.service import Bell, Service

log = structlog.get_logger()

RECHECK = 15.0
"""Seconds; with what `Access` remembers below the promised 30."""
GOODBYE = 5.0


class _Stream(msgspec.Struct, eq=False):
    context: Any
    task: asyncio.Task[Any]


class OpenStreams(Service):
    def __init__(self, access: Access, every: float = RECHECK) -> None:
        self._access = access
        self._every = every
        self._bell = Bell()
        self._open: dict[bytes, set[_Stream]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    @contextmanager
    def held(self, digest: bytes | None, context: Any) -> Iterator[None]:
        """While the RPC of this task streams.  None: with what can't be taken back while the server runs."""
        task = asyncio.current_task()
        if digest is None or task is None:
            yield
            return
        stream = _Stream(context, task)
        self._open.setdefault(digest, set()).add(stream)
        try:
            yield
        finally:
            streams = self._open.get(digest, set())
            streams.discard(stream)
            if not streams:
                self._open.pop(digest, None)

    async def run(self) -> None:
        self._access.bells.add(self._bell)
        try:
            while True:
                await self._bell.wait(self._every)
                await self._look()
        finally:
            self._access.bells.discard(self._bell)

    async def _look(self) -> None:
        for digest in list(self._open):
            try:
                await self._access.verify(digest)
            except StoreUnavailable as error:
                # Nothing can be revoked either while the database is away; the next look is soon.
                log.warning("tokens of open streams can't be checked", error=error.message)
                return
            except Unauthenticated as error:
                await asyncio.gather(*(_end(stream, error) for stream in list(self._open.get(digest, ()))))


async def _end(stream: _Stream, error: Unauthenticated) -> None:
    """Tell the client why, then end the handler wherever it stands, also where it waits for one that reads nothing."""
    with suppress(Exception):  # what gRPC raises once the status is sent, or when the client has just gone
        async with asyncio.timeout(GOODBYE):
            await refuse(stream.context, error)
    stream.task.cancel()
