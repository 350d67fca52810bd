"""Who is signed in to the console: for how long, and what of it is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from windlass_client import Client, Unauthenticated
from windlass_console import sessions as module
from windlass_console.sessions import Sessions

from tests.clients.fake_server import FakeServer, World, hangs, refuses
from tests.waiting import eventually

UNKNOWN = refuses(grpc.StatusCode.UNAUTHENTICATED, "no such token")


class Clients:
    """Those that were made, and are still open."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.open: list[Client] = []

    def connect(self, token: str) -> Client:
        client = Client.connect(self._server.address, token, timeout=10)
        self.open.append(client)
        close = client.close

        async def closed() -> None:
            await close()
            self.open.remove(client)

        client.close = closed  # type: ignore[method-assign]
        return client


@pytest.fixture
def clients(server: FakeServer) -> Clients:
    return Clients(server)


@pytest.fixture
async def sessions(clients: Clients) -> AsyncIterator[Sessions]:
    """Each check of a token is due at once."""
    made = Sessions(clients.connect, seconds=3600, check=-1)
    yield made
    await made.close()
    assert clients.open == []


async def test_a_link_signs_in_once(sessions: Sessions) -> None:
    code = await sessions.link("a token")
    word = await sessions.follow(code)
    found = await sessions.find(word)
    assert found is not None
    assert found.token == "a token"
    assert await sessions.follow(code) is None


async def test_of_a_link_that_nobody_follows_nothing_is_left(
    sessions: Sessions, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINK_SECONDS", 0.05)
    code = await sessions.link("a token")
    assert (clients.open, sessions._open) == ([], {}), "nobody is signed in before he comes"
    assert list(sessions._links) == [code]
    await eventually(lambda: not sessions._links)
    assert await sessions.follow(code) is None


async def test_a_link_of_a_token_that_was_revoked_meanwhile_signs_nobody_in(sessions: Sessions, world: World) -> None:
    code = await sessions.link("a token")
    world.faults.append(UNKNOWN)
    with pytest.raises(Unauthenticated):
        await sessions.follow(code)
    assert sessions._open == {}


async def test_a_session_that_was_away_too_long_is_closed(clients: Clients) -> None:
    sessions = Sessions(clients.connect, seconds=0)
    word = await sessions.sign_in("a token")
    assert len(clients.open) == 1
    assert await sessions.find(word) is None
    assert (clients.open, sessions._open) == ([], {})


async def test_a_session_ends_with_its_token_and_outlives_a_server_that_is_away(
    sessions: Sessions, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    word = await sessions.sign_in("a token")
    world.faults.append(hangs)
    async with asyncio.timeout(5):
        assert await sessions.find(word), "the page that says so must not wait for it"
    world.faults.append(UNKNOWN)
    assert await sessions.find(word) is None
