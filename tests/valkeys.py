"""Valkey for tests: one server a session with a site for each test, and servers of a test's own to kill or set back."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from windlass.embedded.binaries import find_valkey

_sites = itertools.count(1)


class Valkey:
    """A server on a socket in a folder of its own; what it saved, it knows again once it is started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/valkey.sock"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        place = ("--port", "0", "--unixsocket", f"{self.folder}/valkey.sock", "--dir", str(self.folder), "--save", "")
        self._process = subprocess.Popen([find_valkey(), *place, *self._options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        with self.connect() as connection:
            while True:
                try:
                    connection.ping()
                    return
                except redis.RedisError:
                    assert time.monotonic() < deadline, "Valkey does not answer"
                    time.sleep(0.01)

    def connect(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Killed, and started with what it had saved."""
        self.kill()
        self.start()


@pytest.fixture(scope="session")
def _session_valkey() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="windlass-valkey-") as folder:
        server = Valkey(Path(folder))
        yield server
        server.kill()


@pytest.fixture
def valkey_url(_session_valkey: Valkey) -> str:
    """The URL of this session's Valkey.  Others use it too: keep to a site of your own."""
    return _session_valkey.url


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A server that this test may kill, empty and start again."""
    # Not in tmp_path: the path of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="windlass-valkey-") as folder:
        server = Valkey(Path(folder))
        yield server
        server.kill()


@pytest.fixture
def site() -> str:
    """A site that no other test uses."""
    return f"site-{next(_sites)}"
