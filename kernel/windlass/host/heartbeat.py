"""The heartbeat: renews the node's lease from a thread and a connection of its own.

A handler that blocks the event loop must not cost the lease, so nothing here waits for the loop; it is only told.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import structlog

from windlass.core.leases import LeaseTimes, may_start_work, must_stop_work
from windlass.errors import StoreUnavailable
from windlass.store.port import Cluster

log = structlog.get_logger()


class Heartbeat:
    """`joined` is when the lease was asked for, by the monotonic clock; it runs from before the question.

    `on_lost` is called in the heartbeat's thread, once, when the database says that the lease is over.
    """

    def __init__(
        self, cluster: Cluster, node: int, times: LeaseTimes, joined: float, on_lost: Callable[[int], None]
    ) -> None:
        self._cluster = cluster
        self._node = node
        self._times = times
        self._on_lost = on_lost
        self._renewed = joined
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of node {node}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cease(self) -> None:
        """Renew no more; does not wait for a renewal that is on its way."""
        self._stop.set()

    async def stop(self) -> None:
        """Ends the thread; may take as long as one renewal."""
        self.cease()
        await asyncio.to_thread(self._thread.join, 10)

    def may_start_work(self) -> bool:
        return may_start_work(self._times, time.monotonic() - self._renewed)

    def must_stop_work(self) -> bool:
        return must_stop_work(self._times, time.monotonic() - self._renewed)

    def _beat(self) -> None:
        while not self._stop.wait(self._times.renew):
            # The lease runs from before the question: the answer may have been long on its way.
            asked = time.monotonic()
            try:
                alive = self._cluster.renew(self._node, self._times.lease)
            except StoreUnavailable as error:
                log.warning("lease not renewed", node=self._node, error=error.message)
                continue
            if not alive:
                self._on_lost(self._node)
                return
            self._renewed = asked
