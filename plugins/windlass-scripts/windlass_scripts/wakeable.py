"""Waiting for a descriptor on whatever event loop the node runs, with a way to be woken for another reason."""

from __future__ import annotations

import asyncio


class Wakeable:
    """A non-blocking descriptor we own.  One waiter at a time."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._woken = asyncio.Event()

    async def readable(self) -> None:
        """Returns when the descriptor may be read, or soon after `wake`."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.fd, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            loop.remove_reader(self.fd)
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()
