"""How Valkey is started and asked. It is always on its socket only: TCP would need a password of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from windlass.embedded.program import Program
from windlass.embedded.readiness import answers

OPTIONS = {
    "port": "0",
    "unixsocketperm": "700",
    "dir": ".",  # its data folder is its working directory, which it may be unable to reach by path
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",  # the append-only file has everything; snapshots would fork for nothing
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "logfile": "",
}


@dataclass(frozen=True, slots=True)
class Valkey:
    data: Path
    socket: Path
    binary: Path

    def program(self) -> Program:
        return Program(
            name="Valkey",
            folder=self.data,
            argv=self._argv,
            death_signal=Signals.SIGTERM,  # it writes what it has and ends
            stop_signals=((Signals.SIGTERM, 10.0), (Signals.SIGKILL, 5.0)),
            answers=self._answers,
            inside=True,
            sweep=lambda: self.socket.unlink(missing_ok=True),
        )

    def _argv(self, _descriptor: int) -> Sequence[str]:
        options = OPTIONS | {"unixsocket": str(self.socket)}
        return [str(self.binary), *(word for name, value in options.items() for word in (f"--{name}", value))]

    async def _answers(self) -> bool:
        return await answers(self.socket, b"PING\r\n", b"+PONG")
