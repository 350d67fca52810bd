"""A fake server, clients of it, and a real one for the command line."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from windlass.store.port import Store
from windlass_client import Client

from tests.clients.command_line import CommandLine
from tests.clients.fake_server import FakeServer, World
from tests.control.calling import TOKEN, Calling, calling


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    server = FakeServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def world(server: FakeServer) -> World:
    return server.world


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[Client]:
    async with Client.connect(server.address, "secret", timeout=10) as client:
        yield client


@pytest.fixture(autouse=True)
def no_server_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the person who runs the tests has set, or is running, is none of their business."""
    for name in [name for name in os.environ if name.startswith("WINDLASS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WINDLASS_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture
def windlass(server: FakeServer) -> Iterator[CommandLine]:
    """The command line, pointed at the fake server."""
    command_line = CommandLine(WINDLASS_ADDRESS=server.address, WINDLASS_TOKEN="secret")
    yield command_line
    command_line.end_the_rest()


@pytest_asyncio.fixture
async def kernel(dsn: str, store: Store) -> AsyncIterator[Calling]:
    """A kernel of this test's own, with the kinds Echo and Wait."""
    async with calling(dsn, store) as made:
        yield made


@pytest.fixture
def operator(kernel: Calling) -> Iterator[CommandLine]:
    """The command line, pointed at the kernel."""
    command_line = CommandLine(WINDLASS_ADDRESS=kernel.address, WINDLASS_TOKEN=TOKEN)
    yield command_line
    command_line.end_the_rest()


@pytest.fixture
def lonely() -> Iterator[CommandLine]:
    """The command line where there is no server."""
    command_line = CommandLine()
    yield command_line
    command_line.end_the_rest()
