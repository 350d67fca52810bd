"""The Tokens contract: who may call, remembered without any secret."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

import msgspec

from windlass.core.access import Role
from windlass.store.facts import Note, Page


class NewToken(msgspec.Struct, frozen=True):
    """`digest`: SHA-256 of the secret; `pools`: empty for all; `ttl`: seconds from now, None for ever."""

    digest: bytes
    subject: str
    role: Role
    origin: int
    created_by: str
    pools: tuple[str, ...] = ()
    ttl: float | None = None


class TokenFacts(msgspec.Struct, frozen=True):
    """A token as it stood at the read.  `seconds_left`: by the store's clock, None for ever."""

    id: int
    subject: str
    role: Role
    origin: int
    pools: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    seconds_left: float | None

    @property
    def expired(self) -> bool:
        return self.seconds_left is not None and self.seconds_left <= 0


class Tokens(ABC):
    """`pools` is the asker's own scope, empty for all: tokens that reach further do not exist for it."""

    @abstractmethod
    async def create(self, token: NewToken, note: Note | None = None) -> TokenFacts:
        """Store a new one; the note's resource becomes its name."""

    @abstractmethod
    async def find(self, digest: bytes) -> TokenFacts | None:
        """The token of a secret with this SHA-256, whether it is still good or not."""

    @abstractmethod
    async def tokens(
        self, size: int, after: int | None = None, *, ended: bool = False, pools: frozenset[str] = frozenset()
    ) -> Page[TokenFacts]:
        """Newest first; `after` is the last id of the page before; `ended`: those that are no good any more as well."""

    @abstractmethod
    async def revoke(self, token: int, note: Note | None = None, pools: frozenset[str] = frozenset()) -> TokenFacts:
        """Make it worthless.  Again has no effect, and leaves no note.  Raises `TokenNotFound`."""

    @abstractmethod
    async def touch(self, tokens: Sequence[int]) -> None:
        """They were used in this minute."""

    @abstractmethod
    async def any_usable(self) -> bool:
        """Whether there is one that is neither revoked nor expired."""
