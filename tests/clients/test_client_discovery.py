"""Where the client finds its server, and the token for it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from windlass_client import InvalidArgument, Tls, Unauthenticated, Unavailable
from windlass_client.discovery import Server, find_server, home


class Announcer:
    """Writes what `windlass serve` writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"WINDLASS_HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        (folder / "run").mkdir()

    def announce(
        self, address: str, *, pid: int = os.getpid(), token: str = "t0ken", age: float = 0, **more: object
    ) -> Path:
        token_file = self.folder / f"token-{address}"
        token_file.write_text(f"{token}\n")
        said: dict[str, object] = {
            "address": address,
            "token_file": str(token_file),
            "pid": pid,
            "started": "2026-11-22T10:00:00Z",
        } | more
        path = self.folder / "run" / f"server-{len(list(self.folder.glob('run/*')))}.json"
        path.write_text(json.dumps(said))
        os.utime(path, (path.stat().st_mtime - age,) * 2)
        return path


@pytest.fixture
def announcer(tmp_path: Path) -> Announcer:
    return Announcer(tmp_path)


def test_a_server_of_this_machine_is_found_with_its_token(announcer: Announcer):
    announcer.announce("127.0.0.1:7654")
    assert find_server(None, None, announcer.environ) == Server("127.0.0.1:7654", "t0ken")


def test_a_server_whose_process_is_gone_is_not_found(announcer: Announcer):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    announcer.announce("127.0.0.1:7654", pid=int(gone.stdout))
    with pytest.raises(Unavailable, match=r'no windlass server found in .* start one with "windlass serve"') as caught:
        find_server(None, None, announcer.environ)
    assert caught.value.reason == "SERVER_NOT_FOUND"


def test_no_folder_at_all_is_no_server():
    with pytest.raises(Unavailable, match="no windlass server found"):
        find_server(None, None, {"WINDLASS_HOME": "/nowhere/at/all"})


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"address": "127.0.0.1:1"}', '{"pid": "x"}', "\0"])
def test_a_file_that_is_none_of_ours_is_no_server(announcer: Announcer, rubbish: str):
    announcer.announce("127.0.0.1:7654").write_text(rubbish)
    with pytest.raises(Unavailable):
        find_server(None, None, announcer.environ)


def test_of_two_servers_the_newest_that_answers_is_taken(announcer: Announcer):
    with socket.create_server(("127.0.0.1", 0)) as older, socket.create_server(("127.0.0.1", 0)) as newer:
        older_address, newer_address = (f"127.0.0.1:{each.getsockname()[1]}" for each in (older, newer))
        announcer.announce(newer_address, age=10)
        announcer.announce(older_address, age=100)
        assert find_server(None, None, announcer.environ).address == newer_address
        newer.close()
        assert find_server(None, None, announcer.environ).address == older_address


def test_the_callers_words_come_before_the_environment_and_that_before_the_machine(announcer: Announcer):
    announcer.announce("127.0.0.1:1")
    environ = announcer.environ | {"WINDLASS_ADDRESS": "127.0.0.1:2", "WINDLASS_TOKEN": "from-environment"}
    assert find_server(None, None, environ) == Server("127.0.0.1:2", "from-environment")
    assert find_server("127.0.0.1:3", "mine", environ) == Server("127.0.0.1:3", "mine")


def test_an_address_of_this_machine_brings_its_own_token(announcer: Announcer):
    announcer.announce("127.0.0.1:1", token="one")
    announcer.announce("127.0.0.1:2", token="two")
    assert find_server("127.0.0.1:2", None, announcer.environ).token == "two"
    assert find_server("127.0.0.1:9", None, announcer.environ).token == ""


def test_a_token_file_of_the_environment_is_read(announcer: Announcer, tmp_path: Path):
    (tmp_path / "mine").write_text("  spaced\n")
    environ = announcer.environ | {"WINDLASS_ADDRESS": "127.0.0.1:2", "WINDLASS_TOKEN_FILE": str(tmp_path / "mine")}
    assert find_server(None, None, environ).token == "spaced"


def test_a_token_file_that_cannot_be_read_is_named(announcer: Announcer):
    environ = announcer.environ | {"WINDLASS_ADDRESS": "127.0.0.1:2", "WINDLASS_TOKEN_FILE": "/nowhere/token"}
    with pytest.raises(Unauthenticated, match="cannot read the token file /nowhere/token: No such file"):
        find_server(None, None, environ)


@pytest.mark.parametrize("token", ["two\nlines", "mäh", "\x00"])
def test_what_can_be_no_token_is_refused_before_it_is_sent(token: str):
    with pytest.raises(Unauthenticated, match="is no token"):
        find_server("127.0.0.1:2", token, {"WINDLASS_HOME": "/nowhere"})


@pytest.mark.parametrize("address", ["localhost", "localhost:", "db.example", "grpcs://db.example", "[::1]"])
def test_an_address_without_its_port_is_told_so_and_nothing_else(address: str):
    with pytest.raises(InvalidArgument, match=r"has no port: say .*\w\]?:7654") as caught:
        find_server(address, "secret", {"WINDLASS_HOME": "/nowhere"})
    assert caught.value.reason == "PORT_MISSING"


def test_a_token_never_goes_to_another_machine_unencrypted():
    with pytest.raises(InvalidArgument, match="another machine") as caught:
        find_server("db.example:7654", "secret", {"WINDLASS_HOME": "/nowhere"})
    assert caught.value.reason == "TLS_REQUIRED"


@pytest.mark.parametrize(
    "address", ["127.example:1", "localhost.example:1", "[::2]:1", "dns:///localhost:1", "0.0.0.0:1"]
)
def test_what_only_looks_like_this_machine_is_another(address: str):
    with pytest.raises(InvalidArgument, match="set WINDLASS_TLS_CA"):
        find_server(address, "secret", {"WINDLASS_HOME": "/nowhere"})


@pytest.mark.parametrize("address", ["127.8.8.8:1", "localhost:1", "[::1]:1", "unix:/run/it", "unix-abstract:it"])
def test_this_machine_gets_the_token_unencrypted(address: str):
    assert find_server(address, "secret", {"WINDLASS_HOME": "/nowhere"}) == Server(address, "secret")


def test_tls_is_used_when_the_caller_the_address_or_the_environment_asks_for_it():
    environ = {"WINDLASS_HOME": "/nowhere"}
    trusted, ca = Tls(), Tls("/ca.pem", "/cert.pem", "/key.pem")
    by_environment = environ | {"WINDLASS_TLS_CA": ca.ca, "WINDLASS_TLS_CERT": ca.cert, "WINDLASS_TLS_KEY": ca.key}
    assert find_server("db:1", "t", environ, tls=True) == Server("db:1", "t", trusted)
    assert find_server("db:1", "t", environ, tls=ca) == Server("db:1", "t", ca)
    assert find_server("grpcs://db:1", "t", environ) == Server("db:1", "t", trusted)
    assert find_server("grpcs://db:1", "t", by_environment) == Server("db:1", "t", ca)
    assert find_server("db:1", "t", by_environment) == Server("db:1", "t", ca)
    assert find_server("grpc://127.0.0.1:1", "t", by_environment) == Server("127.0.0.1:1", "t")
    assert find_server("127.0.0.1:1", "t", by_environment, tls=False) == Server("127.0.0.1:1", "t")


def test_a_server_of_this_machine_that_serves_with_tls_is_called_so(announcer: Announcer):
    announcer.announce("127.0.0.1:7654", tls=True)
    assert find_server(None, None, announcer.environ) == Server("127.0.0.1:7654", "t0ken", Tls())
    environ = announcer.environ | {"WINDLASS_TLS_CA": "/ca.pem", "WINDLASS_ADDRESS": "grpcs://127.0.0.1:7654"}
    assert find_server(None, None, environ) == Server("127.0.0.1:7654", "t0ken", Tls("/ca.pem"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WINDLASS_HOME": "/a"}, Path("/a")),
        ({"XDG_STATE_HOME": "/b"}, Path("/b/windlass")),
        ({}, Path("~/.local/state/windlass").expanduser()),
    ],
)
def test_the_home_is_where_serve_puts_it(environ: dict[str, str], expected: Path):
    assert home(environ) == expected
