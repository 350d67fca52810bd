"""TLS and client certificates, with authorities made for the test; files that change are taken up."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
import trustme
from windlass.config import ServerConfig
from windlass.control.server import Server
from windlass.control.tls import Certificates
from windlass.core.access import Role
from windlass.errors import BootError
from windlass_proto.v1 import access_service_pb2 as access
from windlass_proto.v1 import access_service_pb2_grpc, tasks_service_pb2_grpc
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, TOKEN, Calling, bearer, calling, refused

WHOAMI = access.WhoAmIRequest()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


class Files:
    """Where a server finds its certificate, and a client its root."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.cert, self.key, self.client_ca = folder / "server.pem", folder / "server.key", folder / "clients.pem"
        self.write(authority)
        authority.cert_pem.write_to_path(str(self.client_ca))

    def write(self, authority: trustme.CA) -> None:
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())

    def config(self, **certificates: str) -> ServerConfig:
        client_ca = str(self.client_ca) if certificates else ""
        return ServerConfig(
            tls_cert=str(self.cert), tls_key=str(self.key), tls_client_ca=client_ca, certificates=certificates
        )


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    return Files(tmp_path, authority)


@asynccontextmanager
async def secure(address: str, root: trustme.CA, mine: trustme.LeafCert | None = None) -> AsyncIterator[Any]:
    """A channel over TLS; `mine` is the client's own certificate."""
    key, chain = None, None
    if mine is not None:
        key, chain = mine.private_key_pem.bytes(), b"".join(blob.bytes() for blob in mine.cert_chain_pems)
    credentials = grpc.ssl_channel_credentials(root.cert_pem.bytes(), key, chain)
    port = address.rpartition(":")[2]
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        yield channel


async def whoami(channel: Any, secret: str = "") -> access.WhoAmIResponse:
    stub = access_service_pb2_grpc.AccessStub(channel)
    answer = await stub.WhoAmI(WHOAMI, metadata=bearer(secret) if secret else None, timeout=DEADLINE)
    assert isinstance(answer, access.WhoAmIResponse)
    return answer


async def test_a_token_travels_over_tls_and_nothing_else_is_answered(
    dsn: str, store: Any, files: Files, authority: trustme.CA
) -> None:
    async with calling(dsn, store, server_config=files.config()) as server:
        async with secure(server.address, authority) as channel:
            assert (await whoami(channel, TOKEN)).credential == "token-file"
            assert (await refused(whoami(channel))).code is grpc.StatusCode.UNAUTHENTICATED
        assert (await refused(server.access.WhoAmI(WHOAMI, timeout=2))).code in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        )
        async with secure(server.address, trustme.CA()) as stranger:
            assert (await refused(whoami(stranger, TOKEN))).code is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_says_who_calls_by_each_of_its_names(
    dsn: str, store: Any, files: Files, authority: trustme.CA
) -> None:
    config = files.config(billing="submitter", **{"ops.example": "operator"})
    async with calling(dsn, store, server_config=config) as server:
        async with secure(server.address, authority, authority.issue_cert("x.example", common_name="billing")) as one:
            found = await whoami(one)
            assert (found.subject, int(found.role), int(found.origin)) == ("billing", Role.SUBMITTER, 2)
            assert (found.credential, list(found.pools)) == ("certificate", [])
            stub = tasks_service_pb2_grpc.TasksStub(one)
            refusal = await refused(stub.Interrupt(tasks.InterruptRequest(name="tasks/1"), timeout=DEADLINE))
            assert (refusal.reason, refusal.facts["needed"]) == ("ROLE_TOO_LOW", "operator")
            streams = stub.Watch(tasks.WatchRequest(name="tasks/1"), timeout=DEADLINE)
            assert (await refused(streams.read())).reason == "TASK_NOT_FOUND"
        async with secure(server.address, authority, authority.issue_cert("ops.example")) as other:
            assert (await whoami(other)).subject == "ops.example"


async def test_a_certificate_without_a_role_opens_nothing_but_may_bring_a_token(
    dsn: str, store: Any, files: Files, authority: trustme.CA
) -> None:
    async with calling(dsn, store, server_config=files.config(billing="viewer")) as server:
        _, secret = await server.token(Role.OPERATOR)
        async with secure(server.address, authority, authority.issue_cert("else.example")) as channel:
            refusal = await refused(whoami(channel))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_UNKNOWN")
            assert "else.example" in refusal.message
            assert "[server.certificates]" in refusal.message
            assert int((await whoami(channel, secret)).role) == Role.OPERATOR
            assert (await refused(whoami(channel, secret + "x"))).reason == "TOKEN_MISSING_OR_WRONG"


async def test_a_token_counts_before_the_certificate(dsn: str, store: Any, files: Files, authority: Any) -> None:
    async with calling(dsn, store, server_config=files.config(billing="admin")) as server:
        _, secret = await server.token(Role.VIEWER)
        async with secure(server.address, authority, authority.issue_cert("billing")) as channel:
            assert int((await whoami(channel, secret)).role) == Role.VIEWER


async def test_without_a_certificate_of_the_client_ca_nobody_gets_in(
    dsn: str, store: Any, files: Files, authority: trustme.CA
) -> None:
    async with calling(dsn, store, server_config=files.config(billing="admin")) as server:
        for mine in (None, trustme.CA().issue_cert("billing")):
            async with secure(server.address, authority, mine) as channel:
                refusal = await refused(whoami(channel, TOKEN))
                assert refusal.code is grpc.StatusCode.UNAVAILABLE, mine


async def _served_by(address: str) -> bytes:
    """The certificate that the port shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    assert isinstance(shown, bytes)
    return shown


async def test_files_that_change_are_in_use_at_the_next_connection(
    dsn: str, store: Any, files: Files, authority: trustme.CA
) -> None:
    async with calling(dsn, store, server_config=files.config()) as server, secure(server.address, authority) as open_:
        await whoami(open_, TOKEN)
        before = await _served_by(server.address)
        assert await _served_by(server.address) == before
        renewed = trustme.CA()
        files.write(renewed)
        assert await _served_by(server.address) != before
        async with secure(server.address, renewed) as fresh:
            await whoami(fresh, TOKEN)
        await whoami(open_, TOKEN)


async def test_files_that_do_not_fit_together_leave_the_old_ones_in_use(
    dsn: str, store: Any, files: Files, authority: trustme.CA
) -> None:
    async with calling(dsn, store, server_config=files.config()) as server:
        before = await _served_by(server.address)
        key = files.key.read_bytes()
        with structlog.testing.capture_logs() as logs:
            files.key.write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())
            assert await _served_by(server.address) == before
            files.key.write_text("no key at all")
            assert await _served_by(server.address) == before
            files.key.unlink()
            assert await _served_by(server.address) == before
        assert [line["log_level"] for line in logs if "TLS" in line["event"]] == ["error", "error", "error"]
        files.key.write_bytes(key)
        assert await _served_by(server.address) == before


async def test_a_client_ca_that_changes_is_taken_up(dsn: str, store: Any, files: Files, authority: trustme.CA) -> None:
    async with calling(dsn, store, server_config=files.config(billing="admin")) as server:
        others = trustme.CA()
        async with secure(server.address, authority, others.issue_cert("billing")) as channel:
            assert (await refused(whoami(channel))).code is grpc.StatusCode.UNAVAILABLE
        others.cert_pem.write_to_path(str(files.client_ca))
        async with secure(server.address, authority, others.issue_cert("billing")) as channel:
            assert (await whoami(channel)).subject == "billing"
        async with secure(server.address, authority, authority.issue_cert("billing")) as channel:
            assert (await refused(whoami(channel))).code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("missing", ["cert", "key", "client_ca"])
def test_files_that_can_not_be_read_stop_the_start_and_are_named(files: Files, missing: str) -> None:
    gone = getattr(files, missing)
    gone.unlink()
    with pytest.raises(BootError, match=f"{gone.name}.*check server.tls_cert"):
        Certificates(files.cert, files.key, files.client_ca).credentials()


@pytest.mark.parametrize("wrong", ["cert", "key", "client_ca"])
def test_files_that_hold_something_else_stop_the_start(files: Files, wrong: str) -> None:
    getattr(files, wrong).write_text("-----BEGIN NONSENSE-----")
    with pytest.raises(BootError, match=r"TLS can't be set up"):
        Certificates(files.cert, files.key, files.client_ca).credentials()


def test_a_key_of_another_certificate_stops_the_start(files: Files, authority: trustme.CA) -> None:
    files.key.write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())
    with pytest.raises(BootError, match=r"TLS can't be set up"):
        Certificates(files.cert, files.key, None).credentials()


async def test_a_server_for_others_starts_when_there_is_a_token_and_says_how_to_make_one(
    server: Calling, files: Files, authority: trustme.CA
) -> None:
    with pytest.raises(BootError, match=r"there is no token.*windlass first-token --role admin"):
        await Server(server.kernel, TOKEN, files.config()).start("0.0.0.0:0")
    _, secret = await server.token(Role.ADMIN)
    public = Server(server.kernel, TOKEN, files.config())
    address = await public.start("0.0.0.0:0")
    async with secure(address, authority) as channel:
        assert int((await whoami(channel, secret)).role) == Role.ADMIN
        refusal = await refused(whoami(channel, TOKEN))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING_OR_WRONG")
        assert "only its machine can call" in refusal.message
    await public.stop(0)


async def test_a_token_that_has_ended_is_none_for_the_start(server: Calling, files: Files) -> None:
    await server.token(Role.ADMIN, ttl=0.0)
    with pytest.raises(BootError, match="there is no token"):
        await Server(server.kernel, TOKEN, files.config()).start("0.0.0.0:0")


async def test_a_server_for_others_starts_without_tokens_when_certificates_have_roles(
    server: Calling, files: Files, authority: trustme.CA
) -> None:
    public = Server(server.kernel, TOKEN, files.config(billing="viewer"))
    address = await public.start("0.0.0.0:0")
    async with secure(address, authority, authority.issue_cert("billing")) as channel:
        assert (await whoami(channel)).subject == "billing"
    await public.stop(0)
