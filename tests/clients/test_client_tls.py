"""Calls over TLS: whom the client trusts, and how it proves itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from windlass_client import Client, HandshakeFailed, InvalidArgument, NewTask, Tls, Unavailable

from tests.clients.certificates import certify
from tests.clients.fake_server import FakeServer

pytestmark = pytest.mark.needs(program="openssl", package="openssl")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "caller", "stranger"):
        certify(folder, name)
    return folder


def tls(folder: Path, authority: str, caller: str = "") -> Tls:
    own = (str(folder / f"{caller}.pem"), str(folder / f"{caller}.key")) if caller else ("", "")
    return Tls(str(folder / f"{authority}.pem"), *own)


@pytest.fixture(params=["server", "both"])
async def secured(request: pytest.FixtureRequest, certificates: Path) -> AsyncIterator[FakeServer]:
    """A server that proves itself; `both`: and asks callers to."""
    server = FakeServer()
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.pem").read_bytes())
    callers = (certificates / "caller.pem").read_bytes() if request.param == "both" else None
    server.credentials = grpc.ssl_server_credentials([pair], callers, callers is not None)
    await server.start()
    yield server
    await server.stop()


async def test_a_call_goes_over_tls_with_its_token(secured: FakeServer, certificates: Path):
    async with Client.connect(
        f"grpcs://{secured.address}", "secret", tls=tls(certificates, "server", "caller")
    ) as client:
        await client.enqueue("Noop", {})
    assert secured.world.calls[0].metadata["authorization"] == "Bearer secret"


async def two_tasks() -> AsyncIterator[NewTask]:
    yield NewTask("Noop", {})
    yield NewTask("Noop", {})


CALLS: list[Callable[[Client], Awaitable[Any]]] = [
    lambda client: client.ready(timeout=60),
    lambda client: client.enqueue("Noop", {}),
    lambda client: anext(client.watch(1)),
    lambda client: anext(client.enqueue_stream(two_tasks())),
]


@pytest.mark.parametrize("call", CALLS, ids=["ready", "enqueue", "watch", "enqueue_stream"])
async def test_a_server_that_cannot_prove_itself_gets_no_call_and_that_is_said_at_once(
    secured: FakeServer, certificates: Path, call: Callable[[Client], Awaitable[Any]]
):
    wrong = tls(certificates, "stranger", "caller")
    async with Client.connect(secured.address, "secret", tls=wrong, timeout=60) as client, asyncio.timeout(10):
        with pytest.raises(HandshakeFailed) as caught:
            await call(client)
    assert caught.value.message == (
        f"no TLS with the server at {secured.address}: its certificate is not trusted here;"
        " WINDLASS_TLS_CA names the one that signed it"
    )
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "CERTIFICATE_NOT_TRUSTED")
    assert secured.world.calls == []


async def test_a_server_without_tls_is_named_as_such(server: FakeServer, certificates: Path):
    async with Client.connect(server.address, tls=tls(certificates, "server"), timeout=60) as client:
        with pytest.raises(HandshakeFailed, match="it does not speak TLS"):
            await client.enqueue("Noop", {})


@pytest.mark.parametrize("secured", ["both"], indirect=True)
@pytest.mark.parametrize("caller", ["", "stranger"])
async def test_a_caller_that_cannot_prove_itself_is_refused(secured: FakeServer, certificates: Path, caller: str):
    async with Client.connect(secured.address, "t", tls=tls(certificates, "server", caller), timeout=1) as client:
        with pytest.raises(Unavailable):
            await client.enqueue("Noop", {})
    assert secured.world.calls == []


async def test_the_environment_says_which_certificates_to_use(
    secured: FakeServer, certificates: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, file in {"CA": "server.pem", "CERT": "caller.pem", "KEY": "caller.key"}.items():
        monkeypatch.setenv(f"WINDLASS_TLS_{name}", str(certificates / file))
    async with Client.connect(secured.address, "secret") as client:
        await client.enqueue("Noop", {})
    assert len(secured.world.calls) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Tls(ca="/nowhere/ca.pem"), "cannot read /nowhere/ca.pem: No such file"),
        (Tls(cert="/nowhere/cert.pem"), "the key is missing"),
        (Tls(key="/nowhere/key"), "the certificate is missing"),
    ],
)
async def test_a_certificate_that_cannot_be_read_is_named(wrong: Tls, words: str):
    with pytest.raises(InvalidArgument, match=words):
        Client.connect("127.0.0.1:1", tls=wrong)
