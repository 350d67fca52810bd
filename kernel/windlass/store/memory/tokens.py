"""Tokens in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from windlass.core.access import within
from windlass.errors import TokenNotFound
from windlass.store.facts import Note, Page
from windlass.store.memory.world import World
from windlass.store.tokens import NewToken, TokenFacts, Tokens


class MemoryTokens(Tokens):
    def __init__(self, world: World, speaker: object) -> None:
        self._world = world
        self._speaker = speaker

    async def create(self, token: NewToken, note: Note | None = None) -> TokenFacts:
        world, now = self._world, self._world.now()
        id_ = len(world.tokens) + 1
        end = None if token.ttl is None else now + timedelta(seconds=token.ttl)
        world.tokens[id_] = TokenFacts(
            id=id_,
            subject=token.subject,
            role=token.role,
            origin=token.origin,
            pools=token.pools,
            created_by=token.created_by,
            created_at=now,
            expires_at=end,
            revoked_at=None,
            last_used_at=None,
            seconds_left=None,
        )
        world.digests[token.digest] = id_
        if note is not None:
            world.note(replace(note, resource=f"tokens/{id_}"))
        return self._read(id_)

    async def find(self, digest: bytes) -> TokenFacts | None:
        return self._read(self._world.digests[digest]) if digest in self._world.digests else None

    async def tokens(
        self, size: int, after: int | None = None, *, ended: bool = False, pools: frozenset[str] = frozenset()
    ) -> Page[TokenFacts]:
        found = [self._read(id_) for id_ in sorted(self._world.tokens, reverse=True) if after is None or id_ < after]
        found = [
            one
            for one in found
            if within(frozenset(one.pools), pools) and (ended or not (one.revoked_at or one.expired))
        ]
        return Page(tuple(found[:size]), (found[size - 1].id,) if len(found) > size else None)

    async def revoke(self, token: int, note: Note | None = None, pools: frozenset[str] = frozenset()) -> TokenFacts:
        world = self._world
        if token not in world.tokens or not within(frozenset(world.tokens[token].pools), pools):
            raise TokenNotFound(f"there is no token {token}", token=token)
        if world.tokens[token].revoked_at is None:
            world.tokens[token] = replace(world.tokens[token], revoked_at=world.now())
            world.note(note)
            world.say("access", self._speaker)
        return self._read(token)

    async def touch(self, tokens: Sequence[int]) -> None:
        minute = self._world.now().replace(second=0, microsecond=0)
        for id_ in self._world.tokens.keys() & set(tokens):
            self._world.tokens[id_] = replace(self._world.tokens[id_], last_used_at=minute)

    async def any_usable(self) -> bool:
        return bool((await self.tokens(1)).items)

    def _read(self, id_: int) -> TokenFacts:
        facts = self._world.tokens[id_]
        if facts.expires_at is None:
            return facts
        return replace(facts, seconds_left=(facts.expires_at - self._world.now()).total_seconds())
