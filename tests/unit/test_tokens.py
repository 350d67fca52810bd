"""How a node remembers tokens: one look a secret, never for long, never without end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from windlass.core.access import Role
from windlass.errors import StoreUnavailable, TokenExpired, TokenRevoked, Unauthenticated
from windlass.host import access
from windlass.host.access import MOST_UNKNOWN, REMEMBERED, Access, digest_of, new_secret
from windlass.host.admission import Caller
from windlass.host.service import Bell
from windlass.store.memory import MemoryStore, World
from windlass.store.memory.tokens import MemoryTokens
from windlass.store.tokens import NewToken, TokenFacts

ADMIN = Caller("root", 1, Role.ADMIN)
WANTED = NewToken(b"", "ada", Role.OPERATOR, 2, "root", ("feeds",))


class Counted(MemoryTokens):
    """Counts what it is asked, and may be slow or away."""

    finds = 0
    touched: list[list[int]]
    gate: asyncio.Event | None = None
    is_away = False

    async def find(self, digest: bytes) -> TokenFacts | None:
        self.finds += 1
        facts = await super().find(digest)
        if self.gate is not None:
            await self.gate.wait()
        if self.is_away:
            raise StoreUnavailable("away")
        return facts

    async def touch(self, tokens: Any) -> None:
        self.touched = [*getattr(self, "touched", []), list(tokens)]
        if self.is_away:
            raise StoreUnavailable("away")


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Counted:
    world = World(lambda: datetime.now(UTC))
    return Counted(world, MemoryStore(world))


@pytest.fixture
def book(store: Counted, clock: Clock) -> Access:
    return Access(store, clock)


async def test_a_secret_says_whose_it_is_and_is_looked_up_once(book: Access, store: Counted) -> None:
    made, secret = await book.create(WANTED)
    for _ in range(5):
        who = await book.verify(digest_of(secret))
    assert who == Caller("ada", 2, Role.OPERATOR, frozenset({"feeds"}), f"tokens/{made.id}")
    assert store.finds == 1


async def test_a_secret_is_32_random_bytes_and_never_the_same() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith("wdl_") and len(secret) == 4 + 43 for secret in secrets)


async def test_what_is_remembered_is_asked_again_before_30_seconds(book: Access, store: Counted, clock: Clock) -> None:
    from windlass.control.open_streams import RECHECK

    assert REMEMBERED + RECHECK < 30
    made, secret = await book.create(WANTED)
    await book.verify(digest_of(secret))
    await store.revoke(made.id)  # through another node, whose hint was lost
    clock.now += REMEMBERED - 0.01
    await book.verify(digest_of(secret))
    clock.now += 0.01
    with pytest.raises(TokenRevoked, match="revoked"):
        await book.verify(digest_of(secret))


async def test_the_node_that_revokes_knows_at_once_and_wakes_its_streams(book: Access) -> None:
    made, secret = await book.create(WANTED)
    await book.verify(digest_of(secret))
    bell = Bell()
    book.bells.add(bell)
    await book.revoke(made.id, ADMIN)
    async with asyncio.timeout(5):
        await bell.wait(None)
    with pytest.raises(TokenRevoked):
        await book.verify(digest_of(secret))


async def test_a_look_that_a_revocation_overtakes_is_not_believed(book: Access, store: Counted) -> None:
    made, secret = await book.create(WANTED)
    store.gate = asyncio.Event()
    looking = asyncio.create_task(book.verify(digest_of(secret)))
    while not store.finds:  # noqa: ASYNC110 - the look is on its way at the next turn
        await asyncio.sleep(0)
    await book.revoke(made.id, ADMIN)
    store.gate.set()
    with pytest.raises(TokenRevoked):
        await looking


async def test_a_token_is_good_until_its_end_and_not_a_moment_longer(
    book: Access, store: Counted, clock: Clock
) -> None:
    from msgspec.structs import replace

    _, secret = await book.create(replace(WANTED, ttl=1.0))
    await book.verify(digest_of(secret))
    clock.now += 1.0
    store._world.now = lambda: datetime.fromtimestamp(datetime.now(UTC).timestamp() + 1.0, UTC)
    with pytest.raises(TokenExpired, match="expired"):
        await book.verify(digest_of(secret))


async def test_many_who_come_at_once_share_one_look(book: Access, store: Counted) -> None:
    _, secret = await book.create(WANTED)
    store.gate = asyncio.Event()
    callers = [asyncio.create_task(book.verify(digest_of(secret))) for _ in range(50)]
    await asyncio.sleep(0)
    callers[0].cancel()
    store.gate.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert store.finds == 1
    assert isinstance(found[0], asyncio.CancelledError)
    assert {who.name for who in found[1:] if isinstance(who, Caller)} == {"ada"}


async def test_what_is_no_secret_costs_no_look(book: Access, store: Counted) -> None:
    good = new_secret()
    for wrong in ("", "wdl_", good[:-1], good + "x", good[4:], "WDL" + good[3:], good[:-1] + "+", good + "\n"):
        with pytest.raises(Unauthenticated):
            digest_of(wrong)
    assert store.finds == 0


async def test_guessing_fills_no_memory_and_forgets_no_token(book: Access, store: Counted) -> None:
    _, secret = await book.create(WANTED)
    await book.verify(digest_of(secret))
    for _ in range(MOST_UNKNOWN + 200):
        with pytest.raises(Unauthenticated, match="good here") as raised:
            await book.verify(digest_of(new_secret()))
        assert raised.value.reason == "TOKEN_MISSING_OR_WRONG"
    assert len(book._unknown) == MOST_UNKNOWN
    before = store.finds
    await book.verify(digest_of(secret))
    assert store.finds == before


async def test_guesses_take_only_some_of_the_stores_connections(book: Access, store: Counted) -> None:
    store.gate = asyncio.Event()
    guesses = [asyncio.create_task(book.verify(digest_of(new_secret()))) for _ in range(50)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.finds == access.LOOKUPS_AT_ONCE
    store.gate.set()
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_a_store_that_is_away_is_said_and_not_remembered(book: Access, store: Counted) -> None:
    _, secret = await book.create(WANTED)
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await book.verify(digest_of(secret))
    store.is_away = False
    assert (await book.verify(digest_of(secret))).name == "ada"


async def test_use_is_noted_once_for_many_calls_and_again_when_the_store_was_away(book: Access, store: Counted) -> None:
    made, secret = await book.create(WANTED)
    for _ in range(10):
        await book.verify(digest_of(secret))
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await book.note_use()
    store.is_away = False
    await book.note_use()
    await book.note_use()
    assert store.touched == [[made.id], [made.id]], "the second try, and nothing when nothing was used"


async def test_what_was_used_last_is_noted_when_the_node_stops(book: Access, store: Counted) -> None:
    made, secret = await book.create(WANTED)
    await book.verify(digest_of(secret))
    book.start()
    await book.stop()
    assert store.touched == [[made.id]]
