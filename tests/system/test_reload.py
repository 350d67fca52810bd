"""SIGHUP and a real server: its configuration is read again, whenever the signal comes."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.serving import Home, home_in, wait_for


@pytest.fixture
def home(tmp_path: Path, dsn: str) -> Iterator[Home]:
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn) as made:
        made.path.mkdir()
        yield made


def configure(home: Home, text: str) -> None:
    (home.path / "windlass.toml").write_text(text)


def said(home: Home, words: str) -> bool:
    return words in (home.path.parent / "serve-0.log").read_text()


def hang_up(home: Home, server: subprocess.Popen[str], text: str, answer: str) -> None:
    """Change the file, say so, and wait for what the server says to it."""
    configure(home, text)
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: said(home, answer) or server.poll() is not None, answer)
    assert server.poll() is None


def test_a_signal_has_the_configuration_read_again_and_an_invalid_one_changes_nothing(home: Home) -> None:
    configure(home, "[node]\npools = { default = 40 }\n")
    server = home.serve()
    hang_up(home, server, "[node]\npools = { default = 0 }\n", "the configuration stays as it was")
    assert said(home, "node.pools.default must be from 1 to 100000, not 0")
    assert home.run("enqueue", "ExecuteScript", "--payload", '{"argv": ["true"]}', "--wait").returncode == 0
    hang_up(home, server, '[log]\nlevel = "debug"\n[node]\nrenew = 1\n', "configuration read again")
    assert said(home, "log.level")
    assert said(home, "node.renew")
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


def test_a_signal_that_comes_while_the_server_starts_does_not_end_it(home: Home) -> None:
    configure(home, "")
    server = home.start("serve", "--listen", "127.0.0.1:0")
    assert server.stdout is not None
    assert server.stderr is not None
    wait_for(lambda: _handles(server.pid, signal.SIGHUP), "the server to hear signals", 30)
    server.send_signal(signal.SIGHUP)
    assert "is ready on" in server.stdout.readline()
    heard = next(line for line in server.stderr if "configuration read again" in line)
    assert "changed=[]" in heard
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


def _handles(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)
