"""Agents over TLS: a client certificate in place of a token, and what is said when the two do not trust each other."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from tests.system.hosting import SHORT, free_port
from tests.system.serving import Home, home_in


class Certified:
    """A server that takes agents by their certificates only, and an agent's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.server, self.agent = self._issue(authority, "localhost", "127.0.0.1"), self._issue(authority, "web-01")
        trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))

    def _issue(self, authority: trustme.CA, *names: str) -> tuple[Path, Path]:
        issued = authority.issue_cert(*names, common_name=names[0])
        cert, key = self.folder / f"{names[0]}.pem", self.folder / f"{names[0]}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return cert, key


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Certified(folder)


class Secured(NamedTuple):
    home: Home
    address: str


@pytest.fixture
def site(tmp_path: Path, dsn: str, certified: Certified) -> Iterator[Secured]:
    cert, key = certified.server
    config = tmp_path / "windlass.toml"
    config.write_text(
        f'[server]\ntls_cert = "{cert}"\ntls_key = "{key}"\ntls_client_ca = "{certified.ca}"\n'
        'certificates = { "web-01" = "agent" }\n'
    )
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, **SHORT) as home:
        address = f"localhost:{free_port()}"
        home.serve("--listen", address.replace("localhost", "127.0.0.1"), "--config", str(config))
        yield Secured(home, address)


def test_an_agent_with_a_certificate_needs_no_token_and_tells_systemd_that_it_is_ready(
    site: Secured, certified: Certified, tmp_path: Path
):
    cert, key = certified.agent
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(20)
        site.home.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        agent = site.home.start(
            *("agent", "--id", "web-01", "--server", site.address),
            *("--ca", str(certified.ca), "--cert", str(cert), "--key", str(key)),
        )
        assert supervisor.recv(100) == b"READY=1"
        agent.terminate()
        assert supervisor.recv(100) == b"STOPPING=1"
        out, _ = agent.communicate(timeout=20)
        assert "agent web-01 is ready: it serves agent:web-01" in out


def test_a_server_that_is_not_trusted_ends_the_agent_with_the_reason(site: Secured, certified: Certified):
    cert, key = certified.agent
    agent = site.home.start(
        *("agent", "--id", "web-01", "--server", site.address),
        *("--ca", str(certified.folder / "other.pem"), "--cert", str(cert), "--key", str(key)),
    )
    _, errors = agent.communicate(timeout=20)
    assert agent.returncode == 1
    assert f"TLS with {site.address} fails:" in errors
    assert "check --ca" in errors
