"""Random histories of producers, a drainer, and a Redis that is emptied or set back: what is lost is counted exactly.

BUFFER_HISTORIES=2000 plays more of them; a failing one names its seed.
"""

import os
import random
from typing import cast

import pytest
import redis
from windlass_buffer_client.envelope import decode
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Ledger

from tests.clients.buffer_entries import entry, submit

HISTORIES = int(os.environ.get("BUFFER_HISTORIES", "40"))


class History:
    """One site's, played on a real server; `acknowledged` and `applied` are the truth that no Redis can lose."""

    def __init__(self, connection: redis.Redis, site: str, seed: int) -> None:
        self.connection, self.site = connection, site
        self.keys, self.ledger = Keys(site), Ledger(connection, site)
        self.chance = random.Random(seed)
        self.known = [("", 0)] * 3  # of each producer
        self.acknowledged: set[str] = set()
        self.applied: set[str] = set()
        self.position = ("", 0)
        self.snapshots: list[dict[bytes, bytes]] = []

    def submits(self, producer: int, count: int) -> None:
        for _ in range(count):
            told = entry()
            _, epoch, seq, _ = submit(self.connection, self.site, told, *self.known[producer])
            self.known[producer] = (epoch, seq)
            self.acknowledged.add(str(told.id))

    def drains(self, count: int) -> None:
        """As the drainer does: it settles before it applies anything of another epoch."""
        self.ledger.settle(*self.position)
        for _ in range(count):
            raw = self.connection.rpop(self.keys.queue)
            if not isinstance(raw, bytes):
                return
            told = decode(raw)
            if told.epoch != self.position[0]:
                self.ledger.settle(*self.position)
            self.applied.add(str(told.id))
            self.position = max(self.position, (told.epoch, told.seq), key=lambda each: (age(each[0]), each[1]))

    def is_emptied(self) -> None:
        for key in self.connection.scan_iter(f"{self.keys.root}*", count=1000):
            self.connection.delete(key)

    def is_saved(self) -> None:
        found = self.connection.scan_iter(f"{self.keys.root}*", count=1000)
        self.snapshots.append({key: dump for key in found if (dump := self.connection.dump(key))})

    def is_set_back(self) -> None:
        """To the last time that it was saved, by a new start."""
        self.is_emptied()
        for key, dump in (self.snapshots[-1] if self.snapshots else {}).items():
            self.connection.restore(key, 0, dump)
        if self.connection.exists(self.keys.meta):
            self.connection.hset(self.keys.meta, "run", "another")
        self.connection.script_flush()

    def lost(self) -> int:
        waiting = {str(decode(raw).id) for raw in queue(self.connection, self.keys)}
        return len(self.acknowledged - self.applied - waiting)


def queue(connection: redis.Redis, keys: Keys) -> list[bytes]:
    return cast("list[bytes]", connection.lrange(keys.queue, 0, -1))


def age(epoch: str) -> int:
    return int(epoch.partition("-")[0] or 0)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_one_accident_takes_is_counted_exactly(valkey_url, site, seed):
    with redis.Redis.from_url(valkey_url) as connection:
        history = History(connection, site, seed)
        chance = history.chance
        for _ in range(chance.randrange(1, 8)):
            act = chance.choice([history.submits, history.submits, history.drains, history.is_saved])
            play(history, act)
        chance.choice([history.is_emptied, history.is_set_back])()
        for _ in range(chance.randrange(4)):
            play(history, chance.choice([history.submits, history.drains]))
        # Everybody has come back.
        for producer in chance.sample(range(3), 3):
            history.submits(producer, 1)
        history.drains(0)
        assert sum(gap.count for gap in history.ledger.gaps()) == history.lost()
        # Nothing more is found by going on.
        play(history, history.submits)
        history.drains(chance.randrange(30))
        assert sum(gap.count for gap in history.ledger.gaps()) == history.lost()


def play(history, act):
    if act == history.submits:
        act(history.chance.randrange(3), history.chance.randrange(1, 6))
    elif act == history.drains:
        act(history.chance.randrange(8))
    else:
        act()
