"""PostgreSQL and Valkey, real ones, behind a TCP port of the test's."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg.conninfo import conninfo_to_dict
from windlass import Rejected
from windlass.embedded.binaries import find_valkey
from windlass_checks.probes import Postgres, Redis
from windlass_checks.sorts import redis

from tests.plugins.checks.servers import (
    LOOPBACK,
    Served,
    forwarding,
    interrupted,
    look,
    serving,
    silence,
    took,
)
from tests.waiting import eventually

# --- PostgreSQL


@pytest_asyncio.fixture
async def postgresql(dsn: str) -> AsyncIterator[tuple[Served, dict[str, str]]]:
    """A port that leads to the tests' server, and who may enter it."""
    named = conninfo_to_dict(dsn)
    who = {"database": str(named["dbname"]), "user": str(named["user"])}
    async with forwarding(f"{named['host']}/.s.PGSQL.{named.get('port', 5432)}") as served:
        yield served, who


@pytest.fixture
def secret(dsn: str, tmp_path: Path) -> str:
    file = tmp_path / "db"
    file.write_text(dsn + "\n")
    file.chmod(0o600)
    return str(tmp_path)


async def test_a_server_that_answers_is_up(postgresql):
    served, who = postgresql
    found = await look(Postgres(host="db.example", port=served.port, **who))
    assert found.ok, found
    assert found.verdict.startswith("PostgreSQL ")
    assert " answered in " in found.verdict


async def test_the_dsn_comes_from_a_secret_and_the_query_is_compared(secret):
    for fields, ok, words in (
        ({"query": "select 41 + 1", "expected": "42"}, True, "answered in"),
        ({"query": "select true", "expected": "t"}, True, "answered in"),
        ({"query": "select 7", "expected": "42"}, False, "with '7'; expected '42'"),
        ({"query": "select null", "expected": "42"}, False, "with nothing; expected '42'"),
        ({"query": "select 1 where false", "expected": "42"}, False, "with nothing; expected '42'"),
        ({"query": "select no_such_column"}, False, 'column "no_such_column" does not exist'),
        ({"query": "create table spoiled (id int)"}, False, "read-only transaction"),
        ({"most_lag": 10}, False, "it is no standby, so it has no replication lag"),
    ):
        found = await look(Postgres(dsn_secret="db", **fields), secrets_directory=secret)
        assert (found.ok, words in found.verdict) == (ok, True), found


async def test_what_a_secret_holds_is_never_said(tmp_path):
    file = tmp_path / "db"
    file.write_text("postgres//admin:hunter2@db.example/x y")
    file.chmod(0o600)
    with pytest.raises(Rejected, match="is no DSN that libpq can read") as raised:
        await look(Postgres(dsn_secret="db"), secrets_directory=str(tmp_path))
    assert "hunter2" not in str(raised.value)


async def test_a_server_that_refuses_or_is_not_there_is_down(postgresql):
    served, who = postgresql
    probe = Postgres(host="db.example", port=served.port, **who | {"database": "none_such"})
    assert (await look(probe)).verdict == 'FATAL: database "none_such" does not exist'
    async with serving(silence) as gone:
        pass
    found = await look(Postgres(host="db.example", port=gone.port))
    assert "Connection refused" in found.verdict


async def test_a_standby_is_judged_by_its_lag(postgresql, monkeypatch):
    """The lag as the query tells it: a standby of our own would take longer than all other tests together."""
    served, who = postgresql
    for row, ok, words in (
        ("select true, 3.2", True, "; 3 s behind"),
        ("select true, 30.0", False, "it is 30 s behind, at most 10 s are expected"),
        ("select true, null::numeric", False, "nothing was replayed yet"),
    ):
        monkeypatch.setattr("windlass_checks.sorts.postgres.LAG", row)
        found = await look(Postgres(host="db.example", port=served.port, most_lag=10, **who))
        assert (found.ok, words in found.verdict) == (ok, True), found


async def test_a_payload_reaches_the_address_that_was_judged_and_no_other(postgresql):
    served, who = postgresql
    probe = Postgres(host="db.example", port=served.port, **who)
    with pytest.raises(Rejected, match=r"leads to 127\.0\.0\.1"):
        await look(probe, is_ours=False)
    assert (await look(probe, is_ours=False, allow=LOOPBACK)).ok
    came = served.connections
    answers: list[str] = []

    async def rebinding(host, port):
        answers.append("127.0.0.2" if not answers else "127.0.0.1")
        return answers[-1:]

    found = await look(probe, is_ours=False, resolve=rebinding, allow=["127.0.0.2"])
    assert "Connection refused" in found.verdict
    assert (answers, served.connections) == (["127.0.0.2"], came)


async def test_the_nodes_own_password_is_not_shown_to_a_server_that_a_payload_names(monkeypatch, tmp_path):
    """A server that asks for the password in clear text, as anybody's may."""
    heard = []

    async def asks(reader, writer):
        size = int.from_bytes(await reader.readexactly(4), "big")
        start = await reader.readexactly(size - 4)
        if start[:4] == (80877103).to_bytes(4, "big"):  # TLS?
            writer.write(b"N")
            size = int.from_bytes(await reader.readexactly(4), "big")
            await reader.readexactly(size - 4)
        writer.write(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))
        heard.append(await reader.read(100))

    passfile = tmp_path / "pgpass"
    passfile.write_text("*:*:*:*:hunter2\n")
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    async with serving(asks) as served:
        found = await look(Postgres(host="db.example", port=served.port), is_ours=False, allow=LOOPBACK)
        await eventually(lambda: heard)
    assert not found.ok
    assert b"hunter2" not in heard[0]


async def test_an_interrupt_ends_a_query_and_a_silent_server_at_once(secret, dsn):
    with psycopg.connect(dsn, autocommit=True) as beside:

        def queries() -> int:
            row = beside.execute(
                "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'"
            ).fetchone()
            assert row is not None
            return int(row[0])

        probe = Postgres(dsn_secret="db", query="select pg_sleep(60)", timeout=90)
        await interrupted(probe, lambda: queries() == 1, secrets_directory=secret)
    async with serving(silence) as served:
        probe = Postgres(host="db.example", port=served.port, timeout=60)
        await interrupted(probe, lambda: served.connections > 0)


async def test_a_server_that_falls_silent_in_a_query_is_left_at_once(postgresql):
    """It does not answer a request to cancel either, for which psycopg alone would wait ten seconds."""
    served, who = postgresql
    probe = Postgres(host="db.example", port=served.port, query="select pg_sleep(60)", timeout=0.5, **who)
    looking = asyncio.ensure_future(look(probe))
    await eventually(lambda: b"pg_sleep" in served.sent)
    served.is_frozen = True
    async with asyncio.timeout(5):
        assert (await looking).verdict == "nothing within 0.5 s while waiting for the query's answer"


# --- Redis


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Valkey on a Unix socket, with a user that has a password."""
    place = tmp_path_factory.mktemp("valkey")
    path = place / "valkey.sock"
    options = ("--port", "0", "--unixsocket", path, "--save", "", "--daemonize", "no", "--dir", place)
    acl = ("--user", "ada", "on", ">hunter2", "~*", "&*", "+@all")
    process = subprocess.Popen([find_valkey(), *options, *acl], stdout=subprocess.DEVNULL)
    yield str(path)
    process.terminate()
    process.wait()


@pytest_asyncio.fixture
async def port(valkey: str) -> AsyncIterator[Served]:
    await eventually(Path(valkey).is_socket)
    async with forwarding(valkey) as served:
        yield served


async def test_a_server_that_answers_ping_is_up_over_tcp_and_over_its_socket(port, valkey):
    for host in ("cache.example", valkey):
        found = await look(Redis(host=host, port=port.port))
        assert found.ok, found
        assert found.verdict.startswith("PONG in ")


async def test_a_password_comes_from_a_secret(port, tmp_path):
    file = tmp_path / "cache"
    probe = Redis(host="cache.example", port=port.port, user="ada", password_secret="cache")
    for secret, ok in (("hunter2", True), ("wrong", False)):
        file.write_text(secret)
        file.chmod(0o600)
        found = await look(probe, secrets_directory=str(tmp_path))
        assert found.ok == ok, found
        assert "hunter2" not in found.verdict
    assert "WRONGPASS" in found.verdict or "invalid username-password" in found.verdict


@pytest.mark.parametrize(
    ("fields", "ok", "words"),
    [
        ({"role": "master"}, True, "; it is master"),
        ({"role": "replica"}, False, "; it is master, expected replica"),
        ({"most_lag": 5}, False, "; it is master, so it has no replication lag"),
    ],
)
async def test_a_servers_role_is_compared(port, fields, ok, words):
    found = await look(Redis(host="cache.example", port=port.port, **fields))
    assert (found.ok, found.verdict.endswith(words)) == (ok, True), found


@pytest.mark.parametrize(
    ("link", "since", "ok", "words"),
    [
        ("up", "2", True, "which heard of its master 2 s ago"),
        ("up", "20", False, "which last heard of its master 20 s ago; at most 5 s expected"),
        ("down", "2", False, "and its link to its master is down"),
    ],
)
async def test_a_replica_is_judged_by_its_link(monkeypatch, port, link, since, ok, words):
    """What INFO of a replica says; it takes minutes until a real one is far behind."""
    facts = {"role": "slave", "master_link_status": link, "master_last_io_seconds_ago": since}
    monkeypatch.setattr(redis, "_facts", lambda _: facts)
    found = await look(Redis(host="cache.example", port=port.port, role="replica", most_lag=5))
    assert (found.ok, words in found.verdict) == (ok, True), found


async def test_tls_asks_for_the_name_at_the_pinned_address(valkey, port, certified, ca):
    async with forwarding(valkey, certified("cache.example")) as served:
        assert (await look(Redis(host="cache.example", port=served.port, tls=True, ca=ca))).ok
        found = await look(Redis(host="other.example", port=served.port, tls=True, ca=ca))
    assert served.names[0] == "cache.example"
    assert "the certificate is not valid: Hostname mismatch" in found.verdict


async def test_what_is_no_redis_or_not_there_is_down_and_a_payload_may_not_reach_this_machine(port):
    async def other(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(other) as served:
        assert not (await look(Redis(host="cache.example", port=served.port))).ok
    assert (await look(Redis(host="cache.example", port=served.port))).verdict == "connection refused"
    probe = Redis(host="cache.example", port=port.port)
    with pytest.raises(Rejected, match=r"leads to 127\.0\.0\.1"):
        await look(probe, is_ours=False)
    assert (await look(probe, is_ours=False, allow=LOOPBACK)).ok
    answers: list[str] = []

    async def rebinding(host, port):
        answers.append("127.0.0.2" if not answers else "127.0.0.1")
        return answers[-1:]

    came = port.connections
    assert (await look(probe, is_ours=False, resolve=rebinding, allow=["127.0.0.2"])).verdict == "connection refused"
    assert (answers, port.connections) == (["127.0.0.2"], came)


@pytest.mark.parametrize("answer", [b"$999999999\r\n", b"*999999999\r\n"])
async def test_an_answer_that_never_ends_is_read_no_further_than_to_its_limit(answer):
    async def endless(reader, writer):
        await reader.read(1)
        writer.write(answer)
        while True:
            writer.write(b"$5\r\nhello\r\n" * 1_000)
            await writer.drain()

    async with serving(endless) as served:
        found = await look(Redis(host="cache.example", port=served.port, timeout=20))
    assert found.verdict == "answers with more than 262,144 bytes"
    assert took(found) < 10_000


async def test_an_interrupt_ends_a_look_at_a_silent_server_at_once():
    async with serving(silence) as served:
        probe = Redis(host="cache.example", port=served.port, timeout=60)
        await interrupted(probe, lambda: served.connections > 0)
