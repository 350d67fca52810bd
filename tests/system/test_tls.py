"""A server with TLS, and a command line on its machine that finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.certificates import certify
from tests.system.serving import home_in


@pytest.mark.needs(program="openssl", package="openssl")
def test_a_server_with_tls_says_so_where_the_command_line_looks_for_it(tmp_path: Path, dsn: str):
    cert, key = certify(tmp_path / "certificates", "server")
    secured = {"WINDLASS_SERVER_TLS_CERT": str(cert), "WINDLASS_SERVER_TLS_KEY": str(key)}
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, **secured) as home:
        home.serve()
        refused = home.run("whoami")
        assert refused.returncode != 0
        assert "its certificate is not trusted here" in refused.stderr
        home.environ["WINDLASS_TLS_CA"] = str(cert)
        assert home.ask("whoami")["role"] == "ADMIN"
