"""A Valkey for measurements, as the embedded one: it appends what it is given to a file, synced each second."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from windlass.embedded.binaries import find_valkey
from windlass.embedded.valkey import OPTIONS


@contextmanager
def valkey() -> Iterator[str]:
    """Its URL."""
    with tempfile.TemporaryDirectory(prefix="windlass-bench-") as folder:
        options = OPTIONS | {"unixsocket": f"{folder}/valkey.sock"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with subprocess.Popen([find_valkey(), *words], cwd=folder, stdout=subprocess.DEVNULL) as process:
            try:
                _answers(url := f"unix://{folder}/valkey.sock")
                yield url
            finally:
                process.terminate()


def _answers(url: str) -> None:
    deadline = time.monotonic() + 10
    with redis.Redis.from_url(url) as connection:
        while True:
            try:
                connection.ping()
                return
            except redis.RedisError:
                assert time.monotonic() < deadline, "Valkey does not answer"
                time.sleep(0.01)
