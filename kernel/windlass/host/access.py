"""Tokens as this node knows them: checked against a short memory, so that a call costs no statement.

What is remembered is at most `REMEMBERED` seconds old, counted from before the store was asked; streams look again
every `RECHECK` seconds (control/open_streams.py).  Together that stays below the 30 s within which a revoked token is
good for nothing on every node.  The node that revokes forgets at once, and so do those that hear its hint.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from copy import copy

import msgspec

from windlass.errors import StoreUnavailable, TokenExpired, TokenRevoked, Unauthenticated
from windlass.host.admission import Caller
from windlass.host.service import Bell, Service
from windlass.store.facts import Note
from windlass.store.tokens import NewToken, TokenFacts, Tokens

PREFIX = "wdl_"
SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
REMEMBERED = 10.0
MOST_KNOWN = 10_000
MOST_UNKNOWN = 1_000
"""Guesses push each other out, never a token that is there."""
LOOKUPS_AT_ONCE = 4
"""Whoever guesses holds so many of the store's connections, and no more."""
NOTE_USE_EVERY = 60.0
LAST_NOTE = 1.0
HOW_TO = (
    "send a token as `authorization: Bearer wdl_…` (the windlass command takes it from WINDLASS_TOKEN, or finds the one"
    " of a server of this machine by itself)"
)


class Answer(msgspec.Struct, frozen=True):
    """What is remembered of a secret until `until` (this node's clock): whose it is, or why it is no good."""

    until: float
    caller: Caller | None = None
    token: int = 0
    refusal: Unauthenticated | None = None


class Access(Service):
    """`now`: monotonic seconds.  As a service it notes, once a minute, which tokens were used."""

    def __init__(self, tokens: Tokens, now: Callable[[], float] = time.monotonic) -> None:
        self.tokens = tokens
        self._now = now
        self._known: OrderedDict[bytes, Answer] = OrderedDict()
        self._unknown: OrderedDict[bytes, Answer] = OrderedDict()
        self._looking: dict[bytes, asyncio.Task[Answer]] = {}
        self._places = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._forgotten = 0
        self._used: set[int] = set()
        self.bells: set[Bell] = set()
        """Rung when what was allowed may not be any more."""

    async def verify(self, digest: bytes) -> Caller:
        """Whose secret has this digest.  Raises `Unauthenticated` or a kind of it, and `StoreUnavailable`.

        Looked up by the SHA-256 of what came: how long that takes tells of a digest, which leads back to no secret.
        """
        answer = self._recall(digest) or await self._look_up(digest)
        if answer.caller is None:
            # Its own copy: an exception that many callers raise gathers all their tracebacks.
            raise copy(answer.refusal) if answer.refusal is not None else unknown()
        self._used.add(answer.token)
        return answer.caller

    async def create(self, wanted: NewToken, note: Note | None = None) -> tuple[TokenFacts, str]:
        """A new token with a secret of its own, which is kept nowhere; `wanted.digest` is filled in here."""
        secret = new_secret()
        return await self.tokens.create(msgspec.structs.replace(wanted, digest=digest_of(secret)), note), secret

    async def revoke(self, token: int, caller: Caller, note: Note | None = None) -> TokenFacts:
        """Raises `TokenNotFound`, also for a token that reaches further than its caller."""
        facts = await self.tokens.revoke(token, note, caller.pools)
        self.forget()
        return facts

    def forget(self) -> None:
        """What was remembered may be wrong: ask again, streams too."""
        self._forgotten += 1
        self._known.clear()
        for bell in self.bells:
            bell.ring()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(NOTE_USE_EVERY)
            await self.note_use()

    async def stop(self) -> None:
        await super().stop()
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(LAST_NOTE):
                await self.note_use()

    async def note_use(self) -> None:
        """Write down which tokens were used since the last time."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            await self.tokens.touch(sorted(used))
        except StoreUnavailable:
            self._used |= used
            raise

    def _recall(self, digest: bytes) -> Answer | None:
        for answers in (self._known, self._unknown):
            answer = answers.get(digest)
            if answer is not None and answer.until > self._now():
                return answer
        return None

    async def _look_up(self, digest: bytes) -> Answer:
        """Those who come with the same secret meanwhile wait for the same look."""
        looking = self._looking.get(digest)
        if looking is None:
            looking = self._looking[digest] = asyncio.create_task(self._find(digest))
            looking.add_done_callback(lambda done: self._looked(digest, done))
        # A caller that goes away does not take the others' answer with it.
        return await asyncio.shield(looking)

    def _looked(self, digest: bytes, done: asyncio.Task[Answer]) -> None:
        del self._looking[digest]
        if not done.cancelled():
            # Everybody who waited may have gone: then nobody else takes the exception.
            done.exception()

    async def _find(self, digest: bytes) -> Answer:
        async with self._places:
            while True:
                asked, forgotten = self._now(), self._forgotten
                facts = await self.tokens.find(digest)
                # A token that was revoked while we asked must not be remembered as it was before.
                if forgotten == self._forgotten:
                    break
        answer = _answer(facts, asked)
        self._remember(digest, answer)
        return answer

    def _remember(self, digest: bytes, answer: Answer) -> None:
        answers, most = (self._unknown, MOST_UNKNOWN) if answer.caller is None else (self._known, MOST_KNOWN)
        answers[digest] = answer
        answers.move_to_end(digest)
        while len(answers) > most:
            answers.popitem(last=False)


def _answer(facts: TokenFacts | None, asked: float) -> Answer:
    if facts is None:
        return Answer(asked + REMEMBERED, refusal=unknown())
    if facts.revoked_at is not None:
        return Answer(asked + REMEMBERED, refusal=TokenRevoked(f"this token was revoked: {HOW_TO}"))
    if facts.expired:
        return Answer(asked + REMEMBERED, refusal=TokenExpired(f"this token has expired: {HOW_TO}"))
    left = REMEMBERED if facts.seconds_left is None else min(REMEMBERED, facts.seconds_left)
    name = f"tokens/{facts.id}"
    caller = Caller(facts.subject, facts.origin, facts.role, frozenset(facts.pools), name)
    return Answer(asked + left, caller, facts.id)


def unknown() -> Unauthenticated:
    """Says what to do, and not what was wrong."""
    return Unauthenticated(f"this call needs a token that is good here: {HOW_TO}")


def new_secret() -> str:
    """`wdl_` and 32 random bytes."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def digest_of(secret: str) -> bytes:
    """Its SHA-256.  Raises `Unauthenticated` for what can't be a secret, so that no look-up is spent on it."""
    if SECRET.fullmatch(secret) is None:
        raise unknown()
    return hashlib.sha256(secret.encode()).digest()
