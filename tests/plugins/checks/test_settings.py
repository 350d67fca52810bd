"""What may be asked, in the configuration and in a payload: every mistake is told with its place."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
import windlass_checks
from windlass import Settings
from windlass.errors import BootError
from windlass.testing import Harness
from windlass_checks import CheckHandler, CheckPayload, ChecksSettings
from windlass_checks.durations import said, seconds_of

SITE = {"type": "http", "url": "https://shop.example/"}


def configured(*checks: dict, **others) -> ChecksSettings:
    return msgspec.convert({"check": list(checks), **others}, ChecksSettings)


def test_it_registers_a_kind_a_section_operations_and_a_schedule_for_each_check():
    section = windlass_checks.windlass_register_settings()
    assert (section.name, section.type) == ("checks", ChecksSettings)
    checks = configured(
        {"name": "site", "every": "90s", "probe": SITE, "pool": "agent:web-01"},
        {"name": "db", "probe": {"type": "postgresql", "host": "db"}},
    )
    settings = Settings({ChecksSettings: checks})
    [handler] = windlass_checks.windlass_register_handlers(settings)
    assert isinstance(handler, CheckHandler)
    assert (handler.kind, handler.payload_type) == ("Check", CheckPayload)
    schedules = windlass_checks.windlass_register_schedules(settings)
    assert [(one.name, one.interval, one.payload, one.pool) for one in schedules] == [
        ("check.site", 90.0, {"check": "site"}, "agent:web-01"),
        ("check.db", 60.0, {"check": "db"}, ""),
    ]
    operations = windlass_checks.windlass_register_operations(settings)
    assert {(one.name, one.role.name, one.writes) for one in operations} == {
        ("list", "VIEWER", False),
        ("show", "VIEWER", False),
        ("run", "SUBMITTER", True),
        ("forget", "OPERATOR", True),
    }


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"check": [{"name": "a b", "probe": SITE}]}, r"at `\$\.check\[0\]\.name`"),
        ({"check": [{"name": "a", "probe": {"type": "htpp"}}]}, "Invalid value 'htpp'"),
        ({"check": [{"name": "a", "probe": SITE | {"staus": [200]}}]}, "unknown field `staus`"),
        ({"check": [{"name": "a", "probe": SITE, "every": "soon"}]}, "every: 'soon' is no length of time"),
        ({"check": [{"name": "a", "probe": SITE, "every": 0.5}]}, "every: must be from 1 s"),
        ({"check": [{"name": "a", "probe": SITE}, {"name": "a", "probe": SITE}]}, "two are called 'a'"),
        ({"check": [{"name": "a", "probe": SITE, "fail_after": 0}]}, "fail_after"),
        ({"check": [{"name": "a", "probe": SITE, "on_transition": {"kind": ""}}]}, "on_transition.kind: name"),
        ({"allow": ["10.0.0.0/99"]}, r"allow\[0\]: .*write a network"),
        ({"deny": ["here"]}, r"deny\[0\]: .*write a network"),
        ({"ports": [0]}, r"at `\$\.ports\[0\]`"),
        ({"chekc": []}, "unknown field `chekc`"),
    ],
)
def test_a_mistake_in_the_configuration_is_told_with_its_place(section, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(section, ChecksSettings)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        ({"type": "http", "url": "shop.example"}, "must begin with"),
        ({"type": "http", "url": "file:///etc/passwd"}, "must begin with"),
        ({"type": "http", "url": "https://ada:secret@shop.example/"}, "a user and a password don't belong into it"),
        ({"type": "http", "url": "https://shop.example:99999/"}, "is no URL"),
        (SITE | {"body_matches": "("}, "body_matches: '\\(' is no regular expression"),
        (SITE | {"method": "HEAD", "body_contains": "x"}, "an answer to HEAD has no body"),
        (SITE | {"headers": {"X-Bad": "a\r\nb"}}, "headers: 'X-Bad' or its value is no HTTP header"),
        (SITE | {"headers": {"Host": "other"}}, "headers: Host follows from the URL"),
        (SITE | {"timeout": 0}, "timeout"),
        (SITE | {"timeout": 121}, "timeout"),
        (SITE | {"redirects": 11}, "redirects"),
        (SITE | {"status": [99]}, "status"),
        ({"type": "tcp", "host": "a b", "port": 1}, "host: 'a b' is neither the name of a host nor an address"),
        ({"type": "tcp", "host": "a", "port": 0}, "port"),
        ({"type": "tcp", "host": "/run/x.sock", "port": 1}, "neither the name of a host nor an address"),
        ({"type": "dns", "name": "a..b"}, "is no name in the DNS"),
        ({"type": "dns", "name": "a", "exact": True}, "exact: name the values"),
        ({"type": "dns", "name": "a", "record": "ANY"}, "record"),
        ({"type": "disk", "path": "data"}, "path: 'data' must be absolute"),
        ({"type": "process"}, "name, pid_file: name exactly one"),
        ({"type": "process", "name": "a", "least": 2, "most": 1}, "most: 1 is less than least"),
        ({"type": "postgresql"}, "host, dsn_secret: name exactly one"),
        ({"type": "postgresql", "dsn_secret": "../etc/passwd"}, "dsn_secret: '../etc/passwd' names no secret"),
        ({"type": "redis", "host": "a", "password_secret": "/etc/passwd"}, "names no secret"),
    ],
)
def test_a_probe_that_can_not_work_is_refused_wherever_it_stands(probe, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        configured({"name": "a", "probe": probe})
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"probe": probe}, CheckPayload)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "check, probe: exactly one of them"),
        ({"check": "site", "probe": SITE}, "check, probe: exactly one of them"),
        ({"check": "site", "name": "x"}, "check: one of the configuration has its name and its rules"),
        ({"check": "site", "fail_after": 3}, "check: one of the configuration has its name and its rules"),
        ({"probe": SITE, "name": "a/b"}, "name"),
        ({"probe": SITE, "on_transition": {"kind": "ExecuteScript"}}, "unknown field `on_transition`"),
        ({"probe": SITE | {"ca_file": "/etc/shadow"}}, "probe.ca_file: only a check in the configuration"),
        ({"probe": {"type": "process", "pid_file": "/etc/shadow"}}, "probe.pid_file: only a check in the"),
        ({"probe": {"type": "postgresql", "dsn_secret": "prod/db"}}, "probe.dsn_secret: only a check in the"),
        (
            {"probe": {"type": "postgresql", "host": "db", "query": "COPY t TO PROGRAM 'sh'"}},
            "probe.query: only a check in the configuration",
        ),
        ({"probe": {"type": "postgresql", "host": "/run/postgresql"}}, "may name a Unix socket"),
        ({"probe": {"type": "redis", "host": "/run/redis.sock"}}, "may name a Unix socket"),
        ({"probe": {"type": "redis", "host": "a", "password_secret": "x"}}, "probe.password_secret: only a check"),
    ],
)
def test_a_payload_may_not_say_what_is_the_operators(payload, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(payload, CheckPayload)


def test_a_window_of_a_rare_check_holds_enough_looks():
    [daily] = configured({"name": "a", "probe": SITE, "every": "1d"}).check
    assert daily.rules.flap_window == 15 * 86_400
    [often] = configured({"name": "a", "probe": SITE, "every": "10s"}).check
    assert often.rules.flap_window == 900


def test_payloads_come_back_from_the_store_as_they_went():
    for payload in ({"check": "site"}, {"probe": SITE, "name": "x", "fail_after": 3}):
        decoded = msgspec.convert(payload, CheckPayload)
        assert msgspec.json.decode(msgspec.json.encode(decoded), type=CheckPayload) == decoded


def test_the_form_of_a_payload_tells_the_sorts_apart():
    schema = msgspec.json.schema(CheckPayload)
    names = {name for name in schema["$defs"] if name != "CheckPayload"}
    assert names == {"Http", "Tcp", "Dns", "Ping", "Disk", "Process", "Postgres", "Redis"}


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("1d", 86400), (7, 7), ("500ms", 0.5)]
)
def test_lengths_of_time_are_read(written, seconds):
    assert seconds_of("every", written) == seconds


def test_lengths_of_time_are_said_in_whole_units():
    lengths = (0, 59.9, 60, 7_199, 7_200, 86_400 * 12.9)
    assert [said(length) for length in lengths] == ["0 s", "59 s", "1 min", "1 h", "2 h", "12 d"]


def test_the_plugin_is_imported_without_the_libraries_of_its_probes():
    """Every worker process imports it, and none of them looks: the libraries together take a second."""
    code = "import sys, windlass_checks; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ["httpx", "httpcore", "dns", "psycopg", "redis", "cryptography", "icmplib", "psutil"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_two_plugins_can_not_both_bring_a_kind_check():
    with pytest.raises(BootError):
        async with Harness(windlass_checks, CheckHandler(ChecksSettings())):
            pass
