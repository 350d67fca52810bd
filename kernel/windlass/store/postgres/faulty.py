"""The failpoints of statements: before one is sent, between its work and its commit, and after the commit.

`uncommitted` of recover is "after the select in recovery"; `committed` of interrupt is "after the flag".  A statement
gets its three places by a line in `STATEMENTS`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from windlass.failpoints import Place, failpoint
from windlass.store.postgres.statements import sql

STATEMENTS = {
    "enqueue_tasks": "enqueue",
    "claim_tasks": "claim",
    "say": "say",
    "finish_tasks": "finish",
    "recover_tasks": "recover",
    "flag_interrupt": "interrupt",
}
_LOGGED = ("node", "tasks", "attempts")


def _places(when: str, meaning: str) -> dict[str, Place]:
    declared = {name: failpoint(f"{verb}.{when}", f"{verb}: {meaning}") for name, verb in STATEMENTS.items()}
    return {name: armed for name, armed in declared.items() if armed}


UNSENT = _places("unsent", "before the statement is sent")
UNCOMMITTED = _places("uncommitted", "its work is done and its locks are held, but it has not committed")
COMMITTED = _places("committed", "it has committed, and nobody knows yet")
ARMED = bool(UNSENT or UNCOMMITTED or COMMITTED)


async def execute(cursor: psycopg.AsyncCursor[Any], statement: str, parameters: Mapping[str, Any]) -> None:
    """As `cursor.execute`, and past this statement's places.  In a transaction of the caller's it stays uncommitted."""
    facts = {name: parameters[name] for name in _LOGGED if name in parameters} | {"asked": time.time()}
    if point := UNSENT.get(statement):
        point(**facts)
    connection, point = cursor.connection, UNCOMMITTED.get(statement)
    if point is None:
        await cursor.execute(sql(statement), parameters)
    else:
        async with connection.transaction():
            await cursor.execute(sql(statement), parameters)
            point(**facts)
    if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        committed([statement], facts, _accepted(cursor) if "tasks" in facts else None)


def committed(
    statements: Sequence[str], facts: Mapping[str, Any] | None = None, accepted: Sequence[int] | None = None
) -> None:
    """These statements are in the database now; `accepted` are the tasks of which they say so."""
    for statement in statements:
        if point := COMMITTED.get(statement):
            point(**(facts or {}), accepted=accepted)


def _accepted(cursor: psycopg.AsyncCursor[Any]) -> Sequence[int]:
    """The first column, in which say and finish tell what they took; the caller can still fetch."""
    rows = cursor.pgresult
    values = [] if rows is None else [rows.get_value(n, 0) for n in range(rows.ntuples)]
    return [int.from_bytes(value, "big") for value in values if value]
