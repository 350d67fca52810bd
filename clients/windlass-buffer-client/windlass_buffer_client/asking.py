"""Connections to replicas, kept for the next question.  One whose question failed, or was cancelled, is closed."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from windlass_buffer_client.replicas import QUESTION, Facts


class Replicas:
    """For an event loop."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[psycopg.AsyncConnection[Any]]] = defaultdict(list)

    async def ask(self, dsn: str, seconds: float) -> Facts | str:
        """What the server says of itself, or why it says nothing."""
        idle = self._idle[dsn]
        try:
            connection = idle.pop() if idle else await psycopg.AsyncConnection.connect(dsn, **_options(seconds))
        except psycopg.Error as error:
            return first_line(error)
        timer = asyncio.get_running_loop().call_later(seconds, _cut, connection)
        try:
            row = await (await connection.execute(QUESTION)).fetchone()
        except psycopg.Error as error:
            await connection.close()
            return first_line(error)
        except BaseException:
            await connection.close()
            raise
        finally:
            timer.cancel()
        idle.append(connection)
        return _facts(row)

    async def close(self) -> None:
        for connection in (each for idle in self._idle.values() for each in idle):
            await connection.close()
        self._idle.clear()


class SyncReplicas:
    """For threads."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, deque[psycopg.Connection[Any]]] = defaultdict(deque)

    def ask(self, dsn: str, seconds: float) -> Facts | str:
        """What the server says of itself, or why it says nothing."""
        try:
            connection = self._take(dsn, seconds)
        except psycopg.Error as error:
            return first_line(error)
        try:
            with _limited(connection, seconds):
                row = connection.execute(QUESTION).fetchone()
        except psycopg.Error as error:
            connection.close()
            return first_line(error)
        except BaseException:
            connection.close()
            raise
        self._idle[dsn].append(connection)
        return _facts(row)

    def _take(self, dsn: str, seconds: float) -> psycopg.Connection[Any]:
        try:
            return self._idle[dsn].pop()
        except IndexError:
            return psycopg.connect(dsn, **_options(seconds))

    def close(self) -> None:
        for connection in (each for idle in self._idle.values() for each in idle):
            connection.close()
        self._idle.clear()


@contextmanager
def _limited(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, _cut, [connection])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # whoever closes the connection now must not meet it: the descriptor may be another file's then


def _cut(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Ends a question that hangs.  To cancel it would be to wait for the same server once more."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def _options(seconds: float) -> dict[str, Any]:
    # A pooler in between may not know a statement that was prepared on another connection.
    return {"autocommit": True, "connect_timeout": max(2, math.ceil(seconds)), "prepare_threshold": None}


def _facts(row: Any) -> Facts:
    return Facts(*row)


def first_line(error: Exception) -> str:
    """libpq's further ones are advice for a terminal."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
