"""Real `windlass` processes for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WINDLASS = str(Path(sys.executable).with_name("windlass"))


class Home:
    """A home directory with its servers; every process started here is ended by `close`."""

    def __init__(self, path: Path, **environ: str) -> None:
        self.path = path
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDLASS_")}
        self.environ = {**kept, "WINDLASS_HOME": str(path), "NO_COLOR": "1", "WINDLASS_CONSOLE_LISTEN": "", **environ}
        self._processes: list[subprocess.Popen[str]] = []

    def serve(self, *arguments: str) -> subprocess.Popen[str]:
        """A server that is ready."""
        log = self.path.parent / f"serve-{len(self._processes)}.log"
        command = [WINDLASS, "serve", "--listen", "127.0.0.1:0", *arguments]
        with log.open("w") as out:
            process = subprocess.Popen(command, env=self.environ, stdout=out, stderr=out, text=True)
        self._processes.append(process)
        wait_for(lambda: process.poll() is not None or "is ready on" in log.read_text(), "the server to be ready", 30)
        assert process.poll() is None, log.read_text()
        return process

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on, with its output in pipes."""
        process = subprocess.Popen(
            [WINDLASS, *arguments], env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._processes.append(process)
        return process

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            [WINDLASS, *arguments], env=self.environ, input=stdin, capture_output=True, text=True, timeout=60
        )

    def ask(self, *arguments: str) -> Any:
        """What a command answers as JSON."""
        answer = self.run(*arguments, "-o", "json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.communicate(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


@contextmanager
def home_in(folder: Path, **environ: str) -> Iterator[Home]:
    """A home whose processes end with the block."""
    home = Home(folder / "home", **environ)
    try:
        yield home
    finally:
        home.close()


def wait_for(condition: Callable[[], object], what: str, seconds: float = 10.0) -> float:
    """Seconds until the condition held; fails at the deadline."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return time.monotonic() - began
