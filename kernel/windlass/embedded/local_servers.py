"""Both servers of one home folder: finds the binaries, picks the identity and the sockets' place, starts, stops."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windlass.embedded import identity, postgres, temporary, valkey
from windlass.embedded.binaries import PostgresBinaries, copy_file, copy_postgres, find_postgres, find_valkey
from windlass.embedded.bounded_log import BoundedLog
from windlass.embedded.control import Answer, Request
from windlass.embedded.errors import EmbeddedError
from windlass.embedded.identity import Identity
from windlass.embedded.kept_server import KeptServer
from windlass.embedded.layout import Layout
from windlass.embedded.program import Program


@dataclass(frozen=True, slots=True)
class Ground:
    """What is settled by the first request and holds until the end."""

    request: Request
    identity: Identity
    reachable: bool
    """Whether the identity may enter the home folder by its path."""
    sockets: Path
    port: int
    postgres: PostgresBinaries


class LocalServers:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._turn = asyncio.Lock()
        self._ground: Ground | None = None
        self._postgres: KeptServer | None = None
        self._valkey: KeptServer | None = None
        self._to_stop: list[KeptServer] = []

    async def open(self, request: Request) -> Answer:
        """Starts what is asked for and does not run yet; returns when it serves. Raises EmbeddedError."""
        async with self._turn:
            try:
                self._ground = ground = self._ground or self._settle(request)
                _check_compatible(request, ground.request)
                if not request.valkey:
                    await self._open_postgres(ground)
                else:
                    binary = self._valkey_binary(ground)  # if there is none, nothing is started for nothing
                    await _all(self._open_postgres(ground), self._open_valkey(ground, binary))
            except (EmbeddedError, OSError) as error:
                if self._postgres is None:  # a first start that failed settles nothing for the next
                    await self.close()
                if isinstance(error, EmbeddedError):
                    raise
                raise EmbeddedError(f"{error}: see to it, or choose another data directory") from error
        return Answer(
            sockets=str(ground.sockets),
            port=ground.port,
            valkey=str(_valkey_socket(ground)) if request.valkey else "",
            postgres_version=ground.postgres.version,
        )

    async def close(self) -> None:
        """Stops both; the servers' data and logs are what remains."""
        await asyncio.gather(*(server.stop() for server in self._to_stop))
        self._to_stop.clear()
        self._ground = self._postgres = self._valkey = None
        temporary.remove(self._layout.sockets)
        temporary.remove(self._layout.binaries)

    def _settle(self, request: Request) -> Ground:
        layout = self._layout
        postgres.check_settings(request.settings)
        major = postgres.data_major(layout.postgres)
        binaries = find_postgres(wheels=request.wheels, wanted_major=major)
        postgres.check_major(layout.postgres, major, binaries)
        who, reached = identity.choose([layout.home, layout.run, binaries.server], namespaces=request.namespaces)
        temporary.remove(layout.binaries)
        if binaries.server not in reached:
            binaries = copy_postgres(binaries, self._copies())
            who.own(self._copies())
        sockets = temporary.prepare_sockets(layout.sockets, who, reachable=layout.run in reached)
        port = postgres.free_port() if request.tcp else postgres.DEFAULT_PORT
        return Ground(request, who, layout.home in reached, sockets, port, binaries)

    async def _open_postgres(self, ground: Ground) -> None:
        if self._postgres is None:
            data, log = self._layout.postgres, self._layout.log
            server = postgres.Postgres(
                data=data,
                sockets=ground.sockets,
                port=ground.port,
                tcp=ground.request.tcp,
                binaries=ground.postgres,
                identity=ground.identity,
                reachable=ground.reachable,
                settings=ground.request.settings,
            )
            if postgres.data_major(data) is None:
                await postgres.create(server, BoundedLog(log / "initdb.log"))
            self._postgres = await self._start(server.program(), ground, log / "postgres.log")
        await self._postgres.serving.wait()

    async def _open_valkey(self, ground: Ground, binary: Path) -> None:
        if self._valkey is None:
            data = self._layout.valkey
            server = valkey.Valkey(data, _valkey_socket(ground), binary)
            data.mkdir(mode=0o700, exist_ok=True)
            self._valkey = await self._start(server.program(), ground, self._layout.log / "valkey.log")
        await self._valkey.serving.wait()

    async def _start(self, program: Program, ground: Ground, output: Path) -> KeptServer:
        ground.identity.own(program.folder)
        server = KeptServer(program, ground.identity, BoundedLog(output))
        self._to_stop.append(server)  # first of all: we may be cancelled while it starts
        await server.start()
        return server

    def _valkey_binary(self, ground: Ground) -> Path:
        binary = find_valkey(wheels=ground.request.wheels)
        if ground.identity.reaches([binary]):
            return binary
        copy = copy_file(binary, self._copies())
        for path in (copy, self._copies()):
            ground.identity.own(path)
        return copy

    def _copies(self) -> Path:
        """The folder for copies of binaries, made when first asked for."""
        link = self._layout.binaries
        return link.readlink() if link.is_symlink() else temporary.make(link)


async def _all(*openings: Coroutine[Any, Any, None]) -> None:
    """Runs them together to their ends, and only then raises the first error."""
    results = await asyncio.gather(*openings, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _valkey_socket(ground: Ground) -> Path:
    return ground.sockets / "valkey.sock"


def _check_compatible(request: Request, running: Request) -> None:
    other = {name for name, value in request.settings.items() if running.settings.get(name) != value}
    if request.tcp and not running.tcp:
        other.add("tcp")
    if other:
        raise EmbeddedError(
            f"the servers already run for other processes, with another {', '.join(sorted(other))}: "
            "end those first, or start with the same"
        )
