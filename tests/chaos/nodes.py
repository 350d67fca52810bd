"""Real `windlass serve` processes: started, watched, started again, and hurt by signals."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from windlass.failpoints import EXIT_CODE
from windlass_client import Client

WINDLASS = str(Path(sys.executable).with_name("windlass"))
READY = "is ready on"
RESTART_PAUSE = 0.3
OUR_ENDS = (-signal.SIGKILL, EXIT_CODE)
ENTRY_POINTS = "[windlass.plugins]\nchaos = chaos_acts\n"


class Times(NamedTuple):
    """Seconds, as the nodes are configured."""

    lease: float = 4.0
    renew: float = 0.8
    grace: float = 2.0
    slots: int = 40


class Place(NamedTuple):
    """Where the nodes of a run live, and what they share."""

    folder: Path
    ledger: Path
    hits: Path
    times: Times

    def install(self) -> Path:
        """The acts as a distribution that is found by its entry point, for the processes whose PYTHONPATH names it."""
        site = self.folder / "site"
        about = site / "chaos_acts-1.0.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("acts.py"), site / "chaos_acts.py")
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: chaos-acts\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(ENTRY_POINTS)
        return site


class Node:
    """One server: a home, a port that it keeps over restarts, and its present process."""

    def __init__(self, name: str, place: Place, dsn: str) -> None:
        self.name = name
        self.home = place.folder / name
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.starts = 0
        self.is_wanted = False
        self.process: subprocess.Popen[bytes] | None = None
        self._environ = environment(place, self.home, dsn)
        lines = ["[node]", f"pools = {{ default = {place.times.slots} }}", f"lease = {place.times.lease}"]
        lines += [f"renew = {place.times.renew}", f"drain_grace = {place.times.grace}"]
        (self.home / "windlass.toml").write_text("\n".join(lines) + "\n")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> Path:
        return self.home / f"serve-{self.starts}.log"

    def start(self, failpoints: str = "") -> None:
        self.starts += 1
        self.is_wanted = True
        command = [WINDLASS, "serve", "--listen", f"127.0.0.1:{self.port}"]
        environ = self._environ | ({"WINDLASS_FAILPOINTS": failpoints} if failpoints else {})
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, env=environ, stdout=out, stderr=out)

    def is_ready(self) -> bool:
        return self.is_alive and self.was_ready()

    def was_ready(self) -> bool:
        return READY in self.log.read_text(errors="replace")

    async def ready(self, within: float = 40.0) -> None:
        deadline = time.monotonic() + within
        while not self.is_ready():
            assert self.is_alive, f"{self.name} ended: {self.log.read_text(errors='replace')[-2000:]}"
            assert time.monotonic() < deadline, f"{self.name} is not ready: see {self.log}"
            await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        # Popen's own first asks whether the process is still ours to signal.
        self.process.send_signal(number)

    async def ended(self, within: float) -> float | None:
        """Seconds until the process was gone; None when it was not in time."""
        began = time.monotonic()
        while self.is_alive:
            if time.monotonic() - began > within:
                return None
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    def client(self, timeout: float) -> Client:
        token = self.home / "token"
        return Client.connect(f"127.0.0.1:{self.port}", token.read_text().strip(), timeout=timeout)

    def end(self) -> None:
        """Whatever state it is in; one that still ran leaves its threads' stacks in its log."""
        self.is_wanted = False
        if self.process is not None and self.is_alive:
            self.process.send_signal(signal.SIGABRT)
            thaw(self)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(2.0)
            self.process.kill()
            self.process.wait()


class Keeper:
    """Starts a node again whose process ended although it is wanted; `orders` draws the failpoints of each start.

    `strange` are ends that no signal and no failpoint of ours explains.
    """

    def __init__(self, nodes: list[Node], orders: Callable[[], str]) -> None:
        self._nodes = nodes
        self._orders = orders
        self.strange: list[str] = []

    async def run(self) -> None:
        while True:
            for node in self._nodes:
                if node.is_wanted and not node.is_alive:
                    self._look_at_end_of(node)
                    node.start(self._orders())
            await asyncio.sleep(RESTART_PAUSE)

    def _look_at_end_of(self, node: Node) -> None:
        # One that never was ready may have found the database away.
        assert node.process is not None
        if node.process.returncode not in OUR_ENDS and node.was_ready():
            self.strange.append(f"{node.name} ended by itself ({node.process.returncode}): see {node.log}")


def environment(place: Place, home: Path, dsn: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDLASS_")}
    own = {
        "WINDLASS_HOME": str(home),
        "WINDLASS_CONSOLE_LISTEN": "",
        "WINDLASS_STORE_DSN": dsn,
        "WINDLASS_FAILPOINTS_LOG": str(place.hits),
        "CHAOS_LEDGER": str(place.ledger),
        "PYTHONPATH": str(place.folder / "site"),
        "NO_COLOR": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    return kept | own


def thaw(node: Node) -> None:
    """Let a stopped process go on; nothing happens to one that runs or is gone."""
    with suppress(ProcessLookupError, AssertionError):
        node.signal(signal.SIGCONT)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
