"""What a node takes from the machine it runs on: a clock, a process, a pulse.  The simulator brings its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from windlass.core.leases import LeaseTimes
from windlass.host import process
from windlass.host.heartbeat import Heartbeat
from windlass.store.facts import NodeFacts
from windlass.store.port import Cluster


class Pulse(Protocol):
    """Keeps one epoch's lease alive, whatever the node's handlers do."""

    def start(self) -> None: ...
    def cease(self) -> None: ...
    async def stop(self) -> None: ...
    def may_start_work(self) -> bool: ...
    def must_stop_work(self) -> bool: ...


class Surroundings(NamedTuple):
    """`now`: monotonic seconds; `pulse` takes cluster, epoch, times, when it joined, and whom to tell of it."""

    now: Callable[[], float] = time.monotonic
    this_process: Callable[[tuple[str, ...]], NodeFacts] = process.this_process
    is_gone: Callable[[NodeFacts], bool] = process.is_gone
    pulse: Callable[[Cluster, int, LeaseTimes, float, Callable[[int], None]], Pulse] = Heartbeat
