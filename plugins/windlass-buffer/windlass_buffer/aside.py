"""What goes on beside a drainer: replication is followed, and Redis is watched.  A thread and a connection each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from threading import Event, Thread
from typing import Self

from windlass_buffer_client.ledger import Applied

from windlass_buffer.settings import BufferSettings, Site
from windlass_buffer.taking import connect
from windlass_buffer.tracking import Tracker
from windlass_buffer.watching import Watch, read_position

ENDS_WITHIN = 3.0  # s; what hangs longer is left behind, and ends with the process


class Aside:
    """Both, while it is open.  `say(text, **data)` is called from their threads."""

    def __init__(self, settings: BufferSettings, site: Site, url: str, dsn: str, say: Callable[..., None]) -> None:
        self._stop = Event()
        self._open = ExitStack()
        self._tracker = Tracker(settings, site, self._open.enter_context(connect(url)), say)
        position = partial(read_position, dsn, site.name)
        watched = self._open.enter_context(connect(url))
        self._watch = Watch(site.name, watched, position, say, check_safety=site.redis_safety != "off")
        self._threads = [
            Thread(target=self._tracker.run, args=(self._stop,), name="buffer tracker", daemon=True),
            Thread(target=self._watch.run, args=(self._stop,), name="buffer watch", daemon=True),
        ]

    def follow(self, applied: Sequence[Applied]) -> None:
        """Just committed, and noted in the ledger."""
        self._tracker.follow(applied)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ENDS_WITHIN)
        self._open.close()
