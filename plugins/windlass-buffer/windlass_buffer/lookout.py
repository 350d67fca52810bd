"""Looks at all replicas of a site at once: one that is away delays no other, and is tried again with pauses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import psycopg
from windlass import Rejected
from windlass_buffer_client.asking import first_line

from windlass_buffer.replica import Replica
from windlass_buffer.replication import Sight

PATIENCE = 1.0  # s that a look waits for an answer; the others are gone on with then
HANGS_AFTER = 5.0  # s without an answer until the connection is given up
SHORTEST_PAUSE = 0.5  # s before a replica that was away is tried again, doubled each time
LONGEST_PAUSE = 10.0


@dataclass(slots=True)
class _Post:
    """One replica, and how it stands with it."""

    replica: Replica
    answer: Future[Sight] | None = None
    asked: float = 0.0
    pause: float = 0.0
    next_try: float = 0.0
    trouble: str = ""


class Lookout:
    """Used by one thread.  `say` is told once when a replica goes away, and once when it is back."""

    def __init__(
        self, replicas: Sequence[Replica], say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._posts = [_Post(replica) for replica in replicas]
        self._say = say
        self._clock = clock
        self._threads = ThreadPoolExecutor(max(1, len(replicas)), thread_name_prefix="replica")

    def look(self) -> list[Sight | None]:
        """What each replica says, in their order; None for one that does not answer."""
        now = self._clock()
        fresh = []
        for post in self._posts:
            if post.answer is None and now >= post.next_try:
                post.answer, post.asked = self._threads.submit(post.replica.look), now
                fresh.append(post.answer)
            elif post.answer is not None and now - post.asked > HANGS_AFTER:
                post.replica.cut()
        wait(fresh, PATIENCE)
        return [self._take(post) for post in self._posts]

    def find(self, place: int, site: str, ids: Sequence[str]) -> frozenset[str] | None:
        """Those that the replica in this place has recorded as applied; None when it does not answer."""
        replica = self._posts[place].replica
        answer = self._threads.submit(replica.find, site, ids)
        try:
            return answer.result(PATIENCE)
        except TimeoutError:
            replica.cut()
        except (psycopg.Error, OSError, ValueError, Rejected):
            pass  # the next look says so
        return None

    def close(self) -> None:
        """Ends what hangs."""
        for post in self._posts:
            if post.answer is not None and not post.answer.done():
                post.replica.cut()
        self._threads.shutdown()
        for post in self._posts:
            post.replica.close()

    def _take(self, post: _Post) -> Sight | None:
        answer = post.answer
        if answer is None:
            return None
        if not answer.done():
            self._note(post, f"has not answered for {PATIENCE:g} s")
            return None
        post.answer = None
        try:
            sight = answer.result()
        except (psycopg.Error, OSError, ValueError, Rejected) as error:
            post.pause = min(max(SHORTEST_PAUSE, post.pause * 2), LONGEST_PAUSE)
            post.next_try = self._clock() + post.pause
            self._note(post, f"cannot be asked: {first_line(error)}")
            return None
        post.pause = 0.0
        if post.trouble:
            post.trouble = ""
            self._say(f"Replica {post.replica.name} answers again")
        return sight

    def _note(self, post: _Post, trouble: str) -> None:
        if not post.trouble:
            self._say(f"Replica {post.replica.name} {trouble}. It is tried again; until then it shows nothing")
        post.trouble = trouble
