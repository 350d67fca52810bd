"""A way to a server that falls silent while it stays up, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from tests.chaos.proxy import Proxy


class Link:
    """A way to a socket that can fall silent: what is sent then arrives later, and so do the answers."""

    def __init__(self, socket: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._proxy = Proxy(socket)
        self._run(self._proxy.start())
        self.port = self._proxy.port

    def fall_silent(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.freeze)

    def speak(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.thaw)

    def close(self) -> None:
        self.speak()
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        await self._proxy.stop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*rest, return_exceptions=True)

    def _run(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(20)
