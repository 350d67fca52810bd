"""Tokens are remembered without their secrets; what has ended stays readable, and a scope sees only its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from windlass.core.access import Role
from windlass.errors import TokenNotFound
from windlass.store.facts import Note
from windlass.store.tokens import NewToken

from tests.contract.facts import SHORT
from tests.waiting import eventually

DIGEST = bytes(range(32))


def token(n: int = 0, **changes: Any) -> NewToken:
    fields: dict[str, Any] = {
        "digest": bytes([n]) * 32,
        "subject": "ada",
        "role": Role.OPERATOR,
        "origin": 1,
        "created_by": "root",
    }
    return NewToken(**(fields | changes))


def note() -> Note:
    return Note("root", "local", Role.ADMIN, "windlass.v1.Access/CreateToken", "")


async def listed(store: Any, **how: Any) -> list[int]:
    return [one.id for one in (await store.tokens.tokens(100, **how)).items]


async def test_a_token_is_found_by_its_digest_as_it_was_made(store: Any, other: Any) -> None:
    made = await store.tokens.create(token(digest=DIGEST, pools=("feeds", "mail"), ttl=3600.0))
    found = await other.tokens.find(DIGEST)
    assert found is not None
    assert (found.id, found.subject, found.role, found.origin) == (made.id, "ada", Role.OPERATOR, 1)
    assert (found.pools, found.created_by) == (("feeds", "mail"), "root")
    assert (found.revoked_at, found.last_used_at) == (None, None)
    assert 3500 < found.seconds_left <= 3600
    assert not found.expired
    assert await store.tokens.find(bytes(32)) is None


async def test_a_token_without_an_end_has_none(store: Any) -> None:
    made = await store.tokens.create(token())
    assert (made.expires_at, made.seconds_left, made.expired, made.pools) == (None, None, False, ())


async def test_one_that_expired_is_found_and_says_so(store: Any) -> None:
    made = await store.tokens.create(token(digest=DIGEST, ttl=SHORT))

    async def over() -> bool:
        return bool((await store.tokens.find(DIGEST)).expired)

    assert await eventually(over)
    assert await listed(store) == []
    assert await listed(store, ended=True) == [made.id]
    assert not await store.tokens.any_usable()


async def test_a_revoked_one_stays_readable_and_is_revoked_once(store: Any, other: Any) -> None:
    made = await store.tokens.create(token(digest=DIGEST), note())
    assert await other.tokens.any_usable()
    first = await other.tokens.revoke(made.id, note())
    again = await store.tokens.revoke(made.id, note())
    assert first.revoked_at == again.revoked_at is not None
    assert (await store.tokens.find(DIGEST)).revoked_at is not None
    assert await listed(store) == []
    assert await listed(store, ended=True) == [made.id]
    assert not await store.tokens.any_usable()
    assert len((await store.audit.entries(10)).items) == 2, "once made, once revoked"


async def test_the_note_of_a_new_token_names_it(store: Any) -> None:
    made = await store.tokens.create(token(), note())
    [entry] = (await store.audit.entries(10)).items
    assert entry.note.resource == f"tokens/{made.id}"


async def test_pages_lead_from_the_newest_to_the_oldest(store: Any) -> None:
    made = [(await store.tokens.create(token(n))).id for n in range(5)]
    first = await store.tokens.tokens(3)
    rest = await store.tokens.tokens(3, *first.after)
    assert [one.id for one in (*first.items, *rest.items)] == made[::-1]
    assert rest.after is None


async def test_a_scope_sees_and_revokes_only_tokens_that_reach_no_further(store: Any) -> None:
    inside = await store.tokens.create(token(1, pools=("feeds",)))
    wider = await store.tokens.create(token(2, pools=("feeds", "mail")))
    everything = await store.tokens.create(token(3))
    mine = frozenset({"feeds", "imports"})
    assert await listed(store, pools=mine) == [inside.id]
    for hidden in (wider, everything):
        with pytest.raises(TokenNotFound):
            await store.tokens.revoke(hidden.id, note(), mine)
    assert (await store.audit.entries(10)).items == ()
    assert (await store.tokens.revoke(inside.id, note(), mine)).revoked_at is not None


async def test_a_token_that_never_was_can_not_be_revoked(store: Any) -> None:
    with pytest.raises(TokenNotFound):
        await store.tokens.revoke(12, note())
    assert (await store.audit.entries(10)).items == ()


async def test_use_is_noted_to_the_minute(store: Any) -> None:
    used, idle = [(await store.tokens.create(token(n))).id for n in range(2)]
    await asyncio.gather(store.tokens.touch([used]), store.tokens.touch([used, 99]))
    found = {one.id: one.last_used_at for one in (await store.tokens.tokens(10)).items}
    assert found[idle] is None
    assert (found[used].second, found[used].microsecond) == (0, 0)


async def test_a_digest_is_given_out_once_and_has_32_bytes(dsn: str) -> None:
    """PostgreSQL alone: the memory store is no place for secrets."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        insert = "insert into windlass.token (digest, subject, role, origin, created_by) values (%s, 'a', 4, 1, 'b')"
        connection.execute(insert, (DIGEST,))
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(insert, (DIGEST,))
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(insert, (b"short",))
