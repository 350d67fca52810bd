"""The names of all kinds, for lists to choose from: those of a while ago, as with their schemas they cost more than a
page of tasks does."""

from __future__ import annotations

import time

from windlass_client import Client

SECONDS = 10.0


class KindNames:
    """The same for everybody who may look: kinds are no secret of a pool."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._until = 0.0

    async def known(self, client: Client) -> tuple[str, ...]:
        """In the order of the alphabet, at most SECONDS old."""
        now = time.monotonic()
        if now >= self._until:
            self._names = tuple(sorted(kind.name for kind in await client.cluster.kinds()))
            self._until = now + SECONDS
        return self._names
