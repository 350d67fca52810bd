"""A Redis or Valkey server that answers, and is what it should be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from windlass_checks import faults
from windlass_checks.look import Finding, Look, milliseconds
from windlass_checks.probes import Redis
from windlass_checks.sorts import certificates
from windlass_checks.text import one_line
from windlass_checks.way import NoSuchHost

LARGEST = 256 * 1024
"""Bytes of all answers."""


class Bounded:
    """A reader that gives up on a server which never ends: what we ask for is answered in a few thousand bytes."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._left = LARGEST

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def readline(self) -> bytes:
        return self._counted(await self._reader.readline())

    async def readexactly(self, size: int) -> bytes:
        if size > self._left:
            raise TooMuch
        return self._counted(await self._reader.readexactly(size))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise TooMuch
        return data


class TooMuch(RedisError):
    """The answer is longer than any that fits."""

    def __str__(self) -> str:
        return f"answers with more than {LARGEST:,} bytes"


class Pinned(Connection):
    """Connects to a judged address; with TLS, as the host whose name was asked for."""

    def __init__(self, *, trust: ssl.SSLContext | None, name: str, **options: Any) -> None:
        super().__init__(**options)
        self._tls = {"ssl": trust, "server_hostname": name} if trust is not None else {}

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), **self._tls}

    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[no-untyped-call]
        self._reader = Bounded(self._reader)  # type: ignore[assignment, arg-type]


async def look_at(look: Look, probe: Redis) -> Finding:
    connection: AbstractConnection | None = None
    try:
        connection = await _connected(look, probe)
        look.doing = "waiting for PONG"
        await connection.send_command("PING")
        if (answer := _text(await connection.read_response())) != "PONG":
            return look.down(f"answers PING with {answer!r}")
        said = f"PONG in {milliseconds(look.ms())}"
        if not probe.role and probe.most_lag is None:
            return look.up(said)
        await connection.send_command("INFO", "replication")
        return _judge(look, probe, said, _facts(_text(await connection.read_response())))
    except (NoSuchHost, RedisError, OSError) as error:
        return look.down(faults.in_words(error))
    finally:
        if connection is not None:
            await connection.disconnect(nowait=True)


async def _connected(look: Look, probe: Redis) -> AbstractConnection:
    options: dict[str, Any] = {
        "username": probe.user or None,
        "password": look.secrets.read("password_secret", probe.password_secret) if probe.password_secret else None,
        "socket_timeout": look.patience,
        "driver_info": None,  # it would have the server keep a name of ours
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if probe.host.startswith("/"):
        look.doing = "connecting"
        connection = UnixDomainSocketConnection(path=probe.host, **options)
        await connection.connect()  # type: ignore[no-untyped-call]
        return connection
    look.doing = f"looking up {probe.host}"
    target = await look.way.find(probe.host, probe.port)
    look.doing = f"connecting to {target.addresses[0]}"
    trust = certificates.context(probe.ca, verify=True) if probe.tls else None

    async def attempt(address: str) -> AbstractConnection:
        made = Pinned(trust=trust, name=probe.host, host=address, port=probe.port, **options)
        await made.connect()  # type: ignore[no-untyped-call]
        return made

    return await target.first(attempt)


def _judge(look: Look, probe: Redis, said: str, facts: Mapping[str, str]) -> Finding:
    role = {"slave": "replica"}.get(facts.get("role", ""), facts.get("role", "unknown"))
    said = f"{said}; it is {role}"
    if probe.role and role != probe.role:
        return look.down(f"{said}, expected {probe.role}")
    if probe.most_lag is None:
        return look.up(said)
    if role != "replica":
        return look.down(f"{said}, so it has no replication lag")
    if facts.get("master_link_status") != "up":
        return look.down(f"{said}, and its link to its master is {facts.get('master_link_status', 'unknown')}")
    lag = float(facts.get("master_last_io_seconds_ago", "inf"))
    if lag > probe.most_lag:
        return look.down(f"{said}, which last heard of its master {lag:g} s ago; at most {probe.most_lag:g} s expected")
    return look.up(f"{said}, which heard of its master {lag:g} s ago")


def _facts(info: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in info.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def _text(reply: object) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    return text if "\n" in text else one_line(text)
