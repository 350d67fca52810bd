"""A server that others can reach, from nothing: it says what it needs, and the first token is made without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import trustme

from tests.system.serving import Home, home_in


@pytest.fixture
def home(tmp_path: Path, dsn: str) -> Iterator[Home]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    files = {"WINDLASS_SERVER_TLS_CERT": tmp_path / "server.pem", "WINDLASS_SERVER_TLS_KEY": tmp_path / "server.key"}
    issued.cert_chain_pems[0].write_to_path(str(files["WINDLASS_SERVER_TLS_CERT"]))
    issued.private_key_pem.write_to_path(str(files["WINDLASS_SERVER_TLS_KEY"]))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, **{name: str(file) for name, file in files.items()}) as made:
        yield made


def test_a_server_for_others_says_what_it_needs_until_it_has_it(home: Home, tmp_path: Path, dsn: str) -> None:
    bare = Home(tmp_path / "bare", WINDLASS_STORE_DSN=dsn)
    refused = bare.run("serve", "--listen", "0.0.0.0:0")
    assert refused.returncode == 1
    assert "set server.tls_cert and server.tls_key" in refused.stderr
    refused = home.run("serve", "--listen", "0.0.0.0:0")
    assert refused.returncode == 1
    assert "windlass first-token --role admin" in refused.stderr

    made = home.run("first-token", "ada", "--role", "operator", "--days", "30")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert (secret[:4], len(secret)) == ("wdl_", 47)
    assert "tokens/1 for ada, operator" in made.stderr
    assert secret not in made.stderr

    home.serve("--listen", "0.0.0.0:0")
    [said] = [json.loads(file.read_text()) for file in (home.path / "run").glob("server-*.json")]
    assert said["tls"] is True
    port = said["address"].rpartition(":")[2]
    home.environ |= {
        "WINDLASS_ADDRESS": f"localhost:{port}",
        "WINDLASS_TOKEN": secret,
        "WINDLASS_TLS_CA": str(tmp_path / "ca.pem"),
    }
    assert home.ask("active") == []
    home.environ["WINDLASS_TOKEN"] = (home.path / "token").read_text().strip()
    foreign = home.run("active")
    assert foreign.returncode != 0
    assert "only its machine can call" in foreign.stderr


def test_a_token_made_beside_the_server_is_in_the_audit_log(home: Home, dsn: str) -> None:
    made = home.run("first-token", "ada")
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select subject, credential, method, resource, request from windlass.audit").fetchone()
        kept = connection.execute("select role, origin, created_by from windlass.token").fetchone()
    assert row is not None
    assert row[:4] == ("local", "local", "windlass.v1.Access/CreateToken", "tokens/1")
    assert (row[4]["subject"], row[4]["role"]) == ("ada", "admin")
    assert made.stdout.strip() not in str(row)
    assert kept == (4, 1, "local")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("",), "subject must be"), (("ada", "--role", "boss"), "role"), (("ada", "--days", "0"), "ttl must be")],
)
def test_a_first_token_that_can_not_be_is_refused(home: Home, dsn: str, arguments: tuple[str, ...], said: str) -> None:
    refused = home.run("first-token", *arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert said in refused.stderr
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from windlass.token").fetchone() == (0,)
