"""Who is signed in: a token checked once, kept here, and named in the browser by a random word only."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from windlass_client import Client, Identity, Role, Unauthenticated, WindlassError

LINK_SECONDS = 60.0
CHECK_SECONDS = 20.0
ANSWER_SECONDS = 2.0
"""How long a check may hold up a page, which may be the one that says that the server is away."""
MOST_SESSIONS = 1000

RANKS = {Role.VIEWER: 0, Role.SUBMITTER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}
"""Who may do more may do all that those below may."""

Connect = Callable[[str], Client]
"""A client of the server with this token."""


@dataclass(slots=True)
class Session:
    """One browser that has signed in.  `csrf` goes into every page, and comes back with every change."""

    token: str
    identity: Identity
    client: Client
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    seen: float = field(default_factory=time.monotonic)
    checked: float = field(default_factory=time.monotonic)

    def may(self, role: str) -> bool:
        """Whether its role includes this one: `viewer`, `submitter`, `operator` or `admin`."""
        return RANKS.get(self.identity.role, -1) >= RANKS[Role(role.upper())]


class Sessions:
    """Lost with the process: who was signed in signs in again."""

    def __init__(self, connect: Connect, seconds: float, check: float = CHECK_SECONDS) -> None:
        self._connect = connect
        self._check = check
        self._seconds = seconds
        self._open: dict[str, Session] = {}
        self._links: dict[str, str] = {}

    async def sign_in(self, token: str) -> str:
        """The word for the cookie.  Raises Unauthenticated, Unavailable, …"""
        client = self._connect(token)
        try:
            identity = await client.access.whoami()
        except BaseException:
            await client.close()
            raise
        await self._make_room()
        word = secrets.token_urlsafe(32)
        self._open[word] = Session(token, identity, client)
        return word

    async def find(self, word: str | None) -> Session | None:
        """None for who has not signed in, was away too long, or whose token has ended meanwhile."""
        session = self._open.get(word or "")
        if session is None:
            return None
        if time.monotonic() - session.seen > self._seconds:
            await self.sign_out(word)
            return None
        session.seen = time.monotonic()
        if session.seen - session.checked > self._check:
            session.checked = session.seen
            if not await _is_good(session):
                await self.sign_out(word)
                return None
        return session

    async def sign_out(self, word: str | None) -> None:
        session = self._open.pop(word or "", None)
        if session is not None:
            await session.client.close()

    async def link(self, token: str) -> str:
        """A word that signs in once, within a minute, who has it.  Raises Unauthenticated, Unavailable, …"""
        async with self._connect(token) as client:
            await client.access.whoami()
        code = secrets.token_urlsafe(24)
        self._links[code] = token
        asyncio.get_running_loop().call_later(LINK_SECONDS, self._links.pop, code, None)
        return code

    async def follow(self, code: str) -> str | None:
        """The word for the cookie; None when the link is used, too old, or none of ours.  Raises as `sign_in`."""
        token = self._links.pop(code, None)
        return None if token is None else await self.sign_in(token)

    async def close(self) -> None:
        for word in list(self._open):
            await self.sign_out(word)

    async def _make_room(self) -> None:
        now = time.monotonic()
        old = [word for word, one in self._open.items() if now - one.seen > self._seconds]
        if not old and len(self._open) >= MOST_SESSIONS:
            old = [min(self._open, key=lambda word: self._open[word].seen)]
        for word in old:
            await self.sign_out(word)


async def _is_good(session: Session) -> bool:
    """Whether the server still knows the token; one that does not answer has not said otherwise."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            session.identity = await session.client.access.whoami()
    except Unauthenticated:
        return False
    except (WindlassError, TimeoutError):
        return True
    return True
