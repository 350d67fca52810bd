"""Where a site's buffer lives in Redis.

Every key of a site shares the hash tag {site}, so that one script may touch them all, in a Redis cluster too.  The
scripts get `root` alone and append the last part themselves: one argument less each, at thousands of calls a second.
"""

from __future__ import annotations

import re
from uuid import UUID

from windlass_buffer_client.errors import BadName

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Keys:
    """The keys of one site's buffer.  BadName unless `site` is 1 to 100 letters, digits, dots, dashes, underscores."""

    __slots__ = ("dead", "drainers", "gaps", "meta", "pending", "queue", "root", "site")

    def __init__(self, site: str) -> None:
        self.site = checked("site", site)
        self.root = f"windlass:buffer:{{{site}}}:"
        self.queue = f"{self.root}queue"  # list; producers push left, the drainer takes from the right
        self.drainers = f"{self.root}drainers"  # zset: drainer → server time of its last beat, ms
        self.meta = f"{self.root}meta"  # hash: epoch, submitted, drained, dead, run, life:<epoch>
        self.pending = f"{self.root}pending"  # hash: id → Pending, JSON
        self.dead = f"{self.root}dead"  # list of DeadLetter, JSON, newest left
        self.gaps = f"{self.root}gaps"  # list of Gap, JSON, newest left

    def taken(self, drainer: str) -> str:
        """The list of what this drainer has taken and not finished; its right end is the oldest, as in the queue."""
        return f"{self.root}taken:{checked('drainer', drainer)}"

    def transaction(self, id: UUID | str) -> str:
        """The hash that tells how far a transaction is."""
        return f"{self.root}tx:{id}"

    def read(self, collection: str) -> str:
        """The read buffer of a collection, a hash: record id → Buffered, JSON."""
        return f"{self.root}read:{collection}"

    def cache(self, collection: str, id: str) -> str:
        """What was applied to a record, and perhaps is not on every replica yet: Buffered, JSON."""
        return f"{self.root}cache:{collection}:{id}"

    def cached(self, collection: str) -> str:
        """The record ids of a collection that are in the cache, a zset: id → until when, by the server's clock, s."""
        return f"{self.root}till:{collection}"

    def said(self, id: UUID | str) -> str:
        """The channel on which each new state of a transaction is told, for those who wait for it."""
        return f"{self.root}said:{id}"


def checked(what: str, name: str) -> str:
    """The name itself, once it is known to be one that cannot break out of a key."""
    if not NAME.fullmatch(name):
        raise BadName(
            f"{what} {name!r}: use 1 to 100 letters, digits, dots, dashes and underscores, first a letter or digit"
        )
    return name
