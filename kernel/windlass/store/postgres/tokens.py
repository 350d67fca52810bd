"""Tokens in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from windlass.core.access import Role
from windlass.errors import TokenNotFound
from windlass.store.facts import Note, Page
from windlass.store.postgres.connection import Connections, Row
from windlass.store.tokens import NewToken, TokenFacts, Tokens

LAST_ID = 2**63 - 1
COLUMNS = len(TokenFacts.__struct_fields__)


class PostgresTokens(Tokens):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def create(self, token: NewToken, note: Note | None = None) -> TokenFacts:
        facts: dict[str, Any] = msgspec.structs.asdict(token) | {"pools": list(token.pools)}
        async with self._db.transaction() as run:
            made = _facts((await run("create_token", facts))[0])
            if note is not None:
                await run("write_audit", msgspec.structs.asdict(replace(note, resource=f"tokens/{made.id}")))
        return made

    async def find(self, digest: bytes) -> TokenFacts | None:
        rows = await self._db.rows("find_token", {"digest": digest})
        return _facts(rows[0]) if rows else None

    async def tokens(
        self, size: int, after: int | None = None, *, ended: bool = False, pools: frozenset[str] = frozenset()
    ) -> Page[TokenFacts]:
        before = LAST_ID if after is None else after
        facts = {"before": before, "ended": ended, "pools": list(pools), "limit": size + 1}
        rows = await self._db.rows("list_tokens", facts)
        found = tuple(map(_facts, rows[:size]))
        return Page(found, (found[-1].id,) if len(rows) > size else None)

    async def revoke(self, token: int, note: Note | None = None, pools: frozenset[str] = frozenset()) -> TokenFacts:
        asked = {"token": token, "pools": list(pools)}
        rows = await self._db.rows("revoke_token", asked | {"hint": self._db.hint("access")}, note)
        rows = rows or await self._db.rows("read_token", asked)
        if not rows:
            raise TokenNotFound(f"there is no token {token}", token=token)
        return _facts(rows[0])

    async def touch(self, tokens: Sequence[int]) -> None:
        await self._db.rows("touch_tokens", {"tokens": list(tokens)})

    async def any_usable(self) -> bool:
        return bool(await self._db.rows("find_usable_token", {}))


def _facts(row: Row) -> TokenFacts:
    id_, subject, role, origin, pools, *others = row[:COLUMNS]
    return TokenFacts(id_, subject, Role(role), origin, tuple(pools), *others)
