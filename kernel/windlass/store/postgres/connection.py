"""Connections: how each is set up, and how the driver's errors become ours."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, NamedTuple, cast

import msgspec
import psycopg
import psycopg_pool
from psycopg import sql as sql_text
from psycopg.types.json import set_json_loads

from windlass.errors import FilterTooBroad, InvalidArgument, StoreUnavailable
from windlass.store.facts import Note
from windlass.store.postgres import faulty
from windlass.store.postgres.statements import sql
from windlass.store.statistics import ConnectionFacts

STATEMENT_SECONDS = 30
FIND_SECONDS = 10.0
TOO_BROAD = (
    f"nothing was found within {FIND_SECONDS:.0f} s: ask for less, for instance only for what was made lately"
    " (create_time > ago(1d)), or leave order_by out, so that the list need not be sorted first"
)
POOLER_ADVICE = "; is a transaction pooler between here and PostgreSQL? Then set store.pooler = true"
ANSWER_SECONDS = 15.0
"""A link may go silent without breaking (a middlebox forgot it): TCP's own timers see nothing wrong with that."""

# A generic plan made while a table was empty scans it for ever: a claim of 500 took 340-527 ms in place of 3 ms.
SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "jit": "off",
    "timezone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS * 1000}",
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS * 1000}",
}
SETTLED = {"names": list(SETTINGS), "settings": list(SETTINGS.values())}
# Where the planner guesses that little passes a filter it would rather read everything and sort that little.
WALKING = {"enable_sort": "off"}
DIALLING: dict[str, Any] = {
    "autocommit": True,
    "application_name": "windlass",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "prepare_threshold": None,
}

Row = tuple[Any, ...]
Run = Callable[[str, dict[str, Any]], Awaitable[list[Row]]]
"""One statement, by its name, with its parameters: its rows."""


class Overtaken(Exception):
    """Raised inside a transaction to undo it: somebody else was quicker."""


class Address(NamedTuple):
    """Where the database is.  `pooled`: behind a transaction pooler, where nothing of a session lasts.

    `listen_dsn` leads past the pooler; without one nothing is heard, and work is found by looking.
    """

    dsn: str
    pooled: bool = False
    listen_dsn: str = ""

    def dialling(self, **settings: str) -> dict[str, Any]:
        """How to connect.  `settings` change some of `SETTINGS`; a pooler takes none, so each statement brings them."""
        if self.pooled:
            return DIALLING
        options = " ".join(f"-c {name}={setting}" for name, setting in (SETTINGS | settings).items())
        return DIALLING | {"options": options, "prepare_threshold": 2}


@contextmanager
def translated() -> Iterator[None]:
    """The driver's errors in the kernel's words.  A broken contract of our own stays what it is: a bug to be seen."""
    try:
        yield
    except psycopg.errors.DataError as error:
        raise InvalidArgument(f"the database refuses a value: {error.diag.message_primary or error}") from error
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg_pool.PoolTimeout,
        psycopg_pool.PoolClosed,
    ) as error:
        said = str(error).strip().splitlines()
        words = said[0] if said else type(error).__name__
        raise StoreUnavailable(f"the database does not answer: {words}{_advice(words)}") from error
    except (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement) as error:
        raise StoreUnavailable(f"the database lost a prepared statement{POOLER_ADVICE}") from error


def _advice(words: str) -> str:
    return POOLER_ADVICE if "unsupported startup parameter" in words else ""


async def prepare(connection: psycopg.AsyncConnection[Row]) -> None:
    """Keep JSON as the bytes that came: it is passed on or decoded into the handler's type, never into dicts."""
    # Our cursors are binary, so what comes is always bytes.
    set_json_loads(cast("Callable[[str | bytes], Any]", bytes), connection)


async def perform(
    connection: psycopg.AsyncConnection[Row], statement: str, parameters: dict[str, Any], *, pooled: bool
) -> list[Row]:
    """One statement, one transaction; its rows.  One round trip, or four behind a pooler.

    Not a pipeline: under load pgbouncer 1.18 links a server to a client whose pipeline waits, and sends nothing on.
    """
    async with connection.cursor(binary=True) as cursor:
        if pooled:
            async with connection.transaction():
                await connection.execute(sql("settle"), SETTLED)
                return await fetch(cursor, statement, parameters)
        return await fetch(cursor, statement, parameters)


def perform_blocking(
    connection: psycopg.Connection[Row], statement: str, parameters: dict[str, Any], *, pooled: bool
) -> list[Row]:
    """As `perform`, for the one thread that has a connection of its own: the heartbeat's."""
    with connection.transaction() if pooled else nullcontext():
        if pooled:
            connection.execute(sql("settle"), SETTLED)
        return connection.execute(sql(statement), parameters).fetchall()


@contextmanager
def answer_due(connection: psycopg.AsyncConnection[Row], seconds: float | None = None) -> Iterator[None]:
    """Break the connection when the block is not done in time: its statement fails as if the server had gone.

    Not by cancelling: psycopg would first ask the silent server to cancel, and wait for that too.
    """
    due = ANSWER_SECONDS if seconds is None else seconds
    alarm = asyncio.get_running_loop().call_later(due, break_off, connection)
    try:
        yield
    finally:
        alarm.cancel()


def break_off(connection: psycopg.AsyncConnection[Row] | psycopg.Connection[Row]) -> None:
    """End both directions of the connection's socket; whoever waits for an answer is told at once."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)


async def fetch(cursor: psycopg.AsyncCursor[Row], statement: str, parameters: dict[str, Any]) -> list[Row]:
    """One statement; its rows."""
    if faulty.ARMED:
        await faulty.execute(cursor, statement, parameters)
    else:
        await cursor.execute(sql(statement), parameters)
    return await cursor.fetchall() if cursor.description else []


class Connections:
    """The pool every statement goes through."""

    def __init__(self, address: Address, size: int) -> None:
        self.address = address
        self.mark = secrets.token_hex(4)
        self._pool = psycopg_pool.AsyncConnectionPool(
            address.dsn,
            kwargs=address.dialling(),
            configure=prepare,
            min_size=2,
            max_size=size,
            timeout=10,
            reconnect_timeout=4,
            open=False,
            name="windlass",
        )

    def hint(self, word: str) -> str:
        """A hint with this store's mark: who said it need not hear it."""
        return f"{word} {self.mark}"

    def facts(self) -> ConnectionFacts:
        now = self._pool.get_stats()
        idle = now.get("pool_available", 0)
        used = now.get("pool_size", 0) - idle
        return ConnectionFacts(now.get("pool_max", 0), idle, used, now.get("requests_waiting", 0))

    async def open(self) -> None:
        with translated():
            await self._pool.open(wait=True, timeout=15)

    async def close(self) -> None:
        await self._pool.close()

    async def rows(self, statement: str, parameters: dict[str, Any], note: Note | None = None) -> list[Row]:
        """One statement, one transaction; its rows.  With rows, `note` is written down in the same transaction."""
        if note is not None:
            return await self._noted(statement, parameters, note)
        with translated():
            async with self._connection() as connection:
                return await perform(connection, statement, parameters, pooled=self.address.pooled)

    async def _noted(self, statement: str, parameters: dict[str, Any], note: Note) -> list[Row]:
        async with self.transaction() as run:
            rows = await run(statement, parameters)
            if rows:
                await run("write_audit", msgspec.structs.asdict(note))
        return rows

    async def find(self, statement: sql_text.Composed, parameters: dict[str, Any], *, walks: bool = False) -> list[Row]:
        """The rows of a question that people put together.  Raises `FilterTooBroad` when they take too long.

        `walks`: it goes along a key and stops at its limit.
        """
        settings = (SETTINGS if self.address.pooled else {}) | {"statement_timeout": f"{int(FIND_SECONDS * 1000)}"}
        settings |= WALKING if walks else {}
        with translated():
            async with (
                self._connection() as connection,
                connection.transaction(),
                connection.cursor(binary=True) as cursor,
            ):
                await cursor.execute(sql("settle"), {"names": list(settings), "settings": list(settings.values())})
                try:
                    await cursor.execute(statement, parameters, prepare=False)
                except psycopg.errors.QueryCanceled as error:
                    raise FilterTooBroad(TOO_BROAD, seconds=FIND_SECONDS) from error
                return await cursor.fetchall()

    async def alone(self, statement: sql_text.Composed) -> None:
        """A statement that no transaction may hold and that takes its time, such as VACUUM."""
        with translated():
            async with self._pool.connection() as connection:
                if self.address.pooled:
                    await connection.execute(statement)
                    return
                await connection.execute("set statement_timeout = 0")
                try:
                    await connection.execute(statement)
                finally:
                    await connection.execute("reset statement_timeout")

    @asynccontextmanager
    async def transaction(self, patience: float | None = None) -> AsyncIterator[Run]:
        """Several statements in one transaction: gives what `rows` is outside of one."""
        done: list[str] = []
        with translated():
            async with (
                self._connection(patience) as connection,
                connection.transaction(),
                connection.cursor(binary=True) as cursor,
            ):
                if self.address.pooled:
                    await cursor.execute(sql("settle"), SETTLED)

                async def rows(statement: str, parameters: dict[str, Any]) -> list[Row]:
                    done.append(statement)
                    return await fetch(cursor, statement, parameters)

                yield rows
            faulty.committed(done)

    @asynccontextmanager
    async def _connection(self, patience: float | None = None) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        async with self._pool.connection() as connection:
            with answer_due(connection, patience):
                yield connection
