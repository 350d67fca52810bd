"""Connections to replicas, kept for the next question.  One whose question failed, or was cancelled, is closed."""

from __future__ import annotations

import math
from collections import defaultdict
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
            return _first_line(error)
        try:
            row = await (await connection.execute(QUESTION)).fetchone()
        except psycopg.Error as error:
            await connection.close()
            return _first_line(error)
        except BaseException:
            await connection.close()
            raise
        idle.append(connection)
        return _facts(row)

    async def close(self) -> None:
        for connection in (each for idle in self._idle.values() for each in idle):
            await connection.close()
        self._idle.clear()


class SyncReplicas:
    """For threads."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[psycopg.Connection[Any]]] = defaultdict(list)

    def ask(self, dsn: str, seconds: float) -> Facts | str:
        """What the server says of itself, or why it says nothing."""
        idle = self._idle[dsn]
        try:
            connection = idle.pop() if idle else psycopg.connect(dsn, **_options(seconds))
        except psycopg.Error as error:
            return _first_line(error)
        try:
            row = connection.execute(QUESTION).fetchone()
        except psycopg.Error as error:
            connection.close()
            return _first_line(error)
        except BaseException:
            connection.close()
            raise
        idle.append(connection)
        return _facts(row)

    def close(self) -> None:
        for connection in (each for idle in self._idle.values() for each in idle):
            connection.close()
        self._idle.clear()


def _options(seconds: float) -> dict[str, Any]:
    # A pooler in between may not know a statement that was prepared on another connection.
    return {"autocommit": True, "connect_timeout": max(2, math.ceil(seconds)), "prepare_threshold": None}


def _facts(row: Any) -> Facts:
    return Facts(*row)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
