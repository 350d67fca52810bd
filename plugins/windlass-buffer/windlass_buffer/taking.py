"""A drainer's hold on its site in Redis: it claims the site, waits for work, takes some, and gives back what is left.

Only one drainer takes at a time.  Were two to take, the second could apply what is newer than what the first one still
holds, so order would be lost the moment one of them is stopped.  So the claim and each take are scripts that look first
who the site's drainer is, and a claim puts back what a dead one had taken before anything else can be taken.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any, NamedTuple, Self
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from windlass import failpoint
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import WAITING_TTL

TAKEN = failpoint("buffer.take", "entries are in the drainer's list, and nothing of them is in the database")

BEAT_SECONDS = 1.0
SILENT_SECONDS = 15.0
"""Without a beat for so long, a drainer is dead."""
LOOK_SECONDS = 0.1
"""Within which a drainer that waits notices that it is to stop."""
ANSWER_SECONDS = 5.0
"""For which Redis may not answer."""
MOST_BYTES = 8 * 1024 * 1024
"""Of one take, but for its last entry."""


class Lost(Exception):
    """The site is not this drainer's any more: another one took over, or Redis was emptied."""


class Rival(NamedTuple):
    """The site's drainer, and when it last beat, by the server's clock."""

    name: str
    beat: str


def connect(url: str, wait: float = 0.0) -> redis.Redis:
    """A client that tries nothing twice: a take whose answer was lost may have happened, and so may anything else."""
    return redis.Redis.from_url(
        url,
        socket_timeout=wait + ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        **({} if url.startswith("unix") else {"socket_keepalive": True}),
        retry=Retry(NoBackoff(), 0),
        client_name="windlass-buffer",
    )


class Intake:
    """One drainer's.  `beat` and `wake` may come from another thread."""

    def __init__(self, url: str, site: str, *, task: int, attempt: int, wait: int) -> None:
        self.redis = connect(url)
        self.keys = Keys(site)
        self.name = f"{task}-{attempt}-{secrets.token_hex(4)}"
        self._task, self._attempt = task, attempt
        # BLMOVE blocks its connection, and only that one is waked by its number.
        self._waiting = connect(url, wait)
        self._number = 0
        self._claim, self._take, self._release = (
            self.redis.register_script(files(__package__).joinpath(f"{name}.lua").read_text("utf-8"))
            for name in ("claim", "take", "release")
        )

    def claim(self) -> Rival | None:
        """Make the site this drainer's, with everything it had in hand back in the queue; None, or who has it.

        Raises RedisError.
        """
        arguments = (self.name, self._task, self._attempt, int(SILENT_SECONDS * 1_000))
        answer = self._claim([self.keys.root], arguments)
        if answer:
            return Rival(*(each.decode() for each in answer))
        self._number = self._waiting.client_id()
        return None

    def beat(self) -> bool:
        """Whether the site is still this drainer's.  Raises RedisError."""
        return self._take([self.keys.root], (self.name, 0, 0)) is not None

    def insist(self) -> None:
        """Raises `Lost` when the site is not this drainer's any more, or RedisError."""
        if not self.beat():
            raise Lost

    def wait(self, seconds: float) -> bool:
        """Whether there is something to take; returns as soon as there is.  Raises RedisError."""
        # The oldest entry moves from the right end to the right end: waiting changes nothing.
        found = self._waiting.blmove(self.keys.queue, self.keys.queue, seconds, "RIGHT", "RIGHT")  # type: ignore[arg-type]
        return found is not None

    def take(self, most: int) -> list[bytes]:
        """The oldest entries, now in this drainer's list.  Raises `Lost` or RedisError."""
        taken: list[bytes] | None = self._take([self.keys.root], (self.name, most, MOST_BYTES))
        if taken is None:
            raise Lost
        if TAKEN and taken:
            TAKEN(count=len(taken))
        return taken

    def failed(self, id: UUID, why: str) -> int:
        """Remember that it failed once more; how often by now.  Raises RedisError."""
        key = self.keys.transaction(id)
        told = self.redis.pipeline(transaction=True)
        told.hincrby(key, "tries", 1)
        told.hset(key, "error", why)
        told.expire(key, WAITING_TTL, nx=True)  # the submit has set it; only one that is gone has none
        return int(told.execute()[0])

    def forget_tries(self, id: UUID) -> None:
        """When it is asked for again, it has all its attempts again."""
        self.redis.hdel(self.keys.transaction(id), "tries")

    def note(self, facts: Mapping[Any, str], processed: int) -> None:
        """For the health section.  Raises RedisError."""
        told = self.redis.pipeline(transaction=False)
        told.hset(self.keys.meta, mapping=facts)
        if processed:
            told.hincrby(self.keys.meta, "processed", processed)
        told.execute()

    def wake(self) -> None:
        """End a wait that goes on in another thread.  Raises RedisError."""
        if self._number:
            self.redis.client_unblock(self._number)

    def release(self) -> None:
        """Give back what is not finished; the site is anybody's.  Raises RedisError."""
        self._release([self.keys.root], (self.name,))

    def close(self) -> None:
        self._waiting.close()
        self.redis.close()


class Beats:
    """Beats beside the work, so that a long transaction is not taken for a dead drainer; a thread while it is open."""

    def __init__(self, intake: Intake, stopped: threading.Event) -> None:
        self._intake = intake
        self._stopped = stopped
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="buffer beats", daemon=True)
        self.is_lost = False
        """It was told that the site is not its drainer's any more."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(2 * ANSWER_SECONDS)

    def _run(self) -> None:
        beaten = time.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            with suppress(RedisError):
                if self._stopped.is_set():
                    self._intake.wake()
                elif time.monotonic() - beaten >= BEAT_SECONDS:
                    beaten = time.monotonic()
                    self.is_lost = not self._intake.beat()
