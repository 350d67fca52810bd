"""A tracker beside a drainer: one thread with a connection of its own, for as long as the drainer runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from windlass_buffer.settings import BufferSettings, Site
from windlass_buffer.taking import connect
from windlass_buffer.tracking import Tracker

ENDED_WITHIN_S = 7.0
"""A look at a replica that hangs is cut off before that."""


@contextmanager
def following(settings: BufferSettings, site: Site, url: str, say: Callable[..., None]) -> Iterator[Tracker]:
    """It runs until the block ends; where there is nothing to follow, it does not."""
    with connect(url) as connection:
        tracker = Tracker(settings, site, connection, say)
        stop = threading.Event()
        thread = threading.Thread(target=tracker.run, args=(stop,), name="buffer tracker", daemon=True)
        if site.replica and settings.lsn_tracking:
            thread.start()
        try:
            yield tracker
        finally:
            stop.set()
            if thread.is_alive():
                thread.join(ENDED_WITHIN_S)
