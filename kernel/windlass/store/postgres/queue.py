"""How tasks move, in PostgreSQL: each call is one statement (enqueue: two when a request id repeats)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec

from windlass.core.lifecycle import State, Verdict
from windlass.errors import RequestIdReused, StoreUnavailable, TaskNotFound, TaskOver
from windlass.store.facts import Asked, Claimed, Ended, Interrupted, Membership, NewTask, Receipt, Said, Settled
from windlass.store.port import Queue
from windlass.store.postgres.arrays import numbers, texts
from windlass.store.postgres.connection import STATEMENT_SECONDS, Connections, Row
from windlass.store.postgres.frontier import Frontier
from windlass.store.postgres.line import Line

# A look-up costs a third of what calling the enum does.
VERDICTS = {verdict.value: verdict for verdict in Verdict}


class PostgresQueue(Queue):
    def __init__(self, connections: Connections) -> None:
        self._db = connections
        self._claims, self._words, self._ends = (Line(connections.address) for _ in range(3))
        self._orders = (Line(connections.address, scans=False), Line(connections.address, scans=False))
        self._frontiers: dict[str, Frontier] = {}

    async def close(self) -> None:
        """Hang up."""
        for line in (self._claims, self._words, self._ends, *self._orders):
            await line.close()

    async def enqueue(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        async with self._db.transaction() as run:
            made = [row[0] for row in await run("enqueue_tasks", self._asked(tasks))]
            receipts = []
            for receipt in _receipts(
                tasks, made, await run("read_requests", _unmade(tasks, made)) if None in made else ()
            ):
                if isinstance(receipt, RequestIdReused):
                    raise receipt
                receipts.append(receipt)
        return receipts

    async def enqueue_each(self, tasks: Sequence[NewTask]) -> list[Receipt | RequestIdReused]:
        # One round trip: nothing can be refused after it, so it needs no transaction around it.
        line = self._orders[self._orders[0].is_busy]
        made = [row[0] for row in await line.rows("enqueue_tasks", self._asked(tasks))]
        earlier = await self._db.rows("read_requests", _unmade(tasks, made)) if None in made else ()
        return _receipts(tasks, made, earlier)

    def _asked(self, tasks: Sequence[NewTask]) -> dict[str, Any]:
        due = any(task.delay <= 0 for task in tasks)
        return _asked(tasks, self._db.hint("ready" if due else "later"))

    async def claim(self, node: int, pool: str, kinds: Sequence[str], limit: int) -> list[Claimed]:
        frontier = self._frontiers.setdefault(pool, Frontier(STATEMENT_SECONDS))
        asked = {"node": node, "pool": pool, "kinds": list(kinds)}
        try:
            claimed, looked = await self._claim(frontier, asked, limit)
            if len(claimed) < limit and not looked:
                claimed += (await self._claim(frontier, asked, limit - len(claimed)))[0]
        except BaseException:
            # What that claim did, and what it passed over, is not known.
            frontier.forget()
            raise
        return claimed

    async def _claim(self, frontier: Frontier, asked: dict[str, Any], limit: int) -> tuple[list[Claimed], bool]:
        place = frontier.ask(time.monotonic())
        rows = await self._claims.rows("claim_tasks", asked | place | {"limit": limit})
        claimed = [Claimed(*row[1:]) for row in rows if row[1] is not None]
        looked = None if rows[0][0] is None else msgspec.json.decode(rows[0][0])
        frontier.learn(looked, ((c.priority, c.next_try_at, c.id) for c in claimed), sparse=len(claimed) < limit)
        return claimed, looked is not None

    async def reclaim(self, node: int, pool: str, known: Sequence[int]) -> list[Claimed]:
        rows = await self._db.rows("reclaim_tasks", {"node": node, "pool": pool, "known": list(known)})
        return [Claimed(*row) for row in rows]

    async def say(self, node: int, said: Sequence[Said]) -> set[int]:
        rows = await self._words.rows("say", {"node": node} | _told(said) | _lines(said) | _chunks(said))
        return {row[0] for row in rows}

    async def finish(self, node: int, ended: Sequence[Ended]) -> list[Settled]:
        rows = await self._ends.rows("finish_tasks", {"node": node} | _ended(ended))
        return [Settled(row[0], VERDICTS[row[1]]) for row in rows]

    async def interrupt(self, ask: Asked) -> Interrupted:
        message = f"interrupted by {ask.by}" + (f": {ask.reason}" if ask.reason else "")
        # A task that moved between the two statements is found by neither: look again.
        for _ in range(20):
            if await self._db.rows("cancel_waiting", {"task": ask.task, "message": message}):
                return Interrupted(State.CANCELED)
            holder = await self._db.rows("flag_interrupt", {"task": ask.task, "by": ask.by, "reason": ask.reason})
            if holder:
                await self._db.rows("hint_interrupt", {"hint": self._db.hint("interrupt")})
                return Interrupted(State.CANCELLING, holder[0][0])
            place = await self._db.rows("read_place", {"task": ask.task})
            if not place:
                raise TaskNotFound(f"there is no task {ask.task}", task=ask.task)
            if State(place[0][0]).final:
                state = State(place[0][0]).name
                raise TaskOver(f"task {ask.task} has already ended: {state}", task=ask.task, state=state)
        raise StoreUnavailable(f"task {ask.task} moved each time it was looked at; try again", task=ask.task)

    async def interrupts(self, node: int) -> list[Asked]:
        return [Asked(*row) for row in await self._db.rows("read_interrupts", {"node": node})]

    async def promote(self, membership: Membership, limit: int) -> float | None:
        facts = {"node": membership.node, "term": membership.term, "limit": limit, "hint": self._db.hint("ready")}
        leads, next_due, moved = (await self._db.rows("promote_due", facts))[0]
        if not leads:
            return None
        return 0.0 if moved == limit else next_due


def _asked(tasks: Sequence[NewTask], hint: str) -> dict[str, Any]:
    return {
        "hint": hint,
        "kinds": texts(t.kind for t in tasks),
        "titles": texts(t.title for t in tasks),
        "priorities": numbers(t.priority for t in tasks),
        "pools": texts(t.pool for t in tasks),
        "triggers": texts(t.trigger for t in tasks),
        "origins": numbers(t.origin for t in tasks),
        "initiators": texts(t.initiator for t in tasks),
        "labels": texts(t.labels for t in tasks),
        "payloads": texts(t.payload for t in tasks),
        "attempt_limits": numbers(t.attempt_limit for t in tasks),
        "retry_pauses": numbers(t.retry_pause for t in tasks),
        "delays": numbers(t.delay for t in tasks),
        "request_ids": texts(None if t.request_id is None else str(t.request_id) for t in tasks),
        "body_hashes": texts("\\x" + t.body_hash.hex() for t in tasks),
    }


def _unmade(tasks: Sequence[NewTask], made: Sequence[int | None]) -> dict[str, Any]:
    return {"ids": [task.request_id for task, id_ in zip(tasks, made, strict=True) if id_ is None]}


def _receipts(
    tasks: Sequence[NewTask], made: Sequence[int | None], earlier: Iterable[Row]
) -> list[Receipt | RequestIdReused]:
    known = {row[0]: row for row in earlier}
    return [_receipt(task, id_, known) for task, id_ in zip(tasks, made, strict=True)]


def _receipt(task: NewTask, made: int | None, earlier: dict[Any, Row]) -> Receipt | RequestIdReused:
    if made is not None:
        return Receipt(made)
    _, body_hash, first = earlier[task.request_id]
    if body_hash != task.body_hash:
        return RequestIdReused(
            f"request_id {task.request_id} was used before with another body: choose a new id for a new task",
            field="request_id",
            task=first,
        )
    return Receipt(first, repeated=True)


def _told(said: Sequence[Said]) -> dict[str, Any]:
    progress = [s.progress for s in said]
    return {
        "tasks": numbers(s.task for s in said),
        "attempts": numbers(s.attempt for s in said),
        "started_ages": numbers(s.started_age for s in said),
        "stages": texts(s.stage for s in said),
        "progress_sequences": numbers(None if p is None else p.sequence for p in progress),
        "progress_ages": numbers(None if p is None else p.age for p in progress),
        "currents": numbers(None if p is None else p.current for p in progress),
        "totals": numbers(None if p is None else p.total for p in progress),
    }


def _lines(said: Sequence[Said]) -> dict[str, Any]:
    lines = list(chain.from_iterable(s.lines for s in said))
    return {
        "line_tasks": numbers(s.task for s in said for _ in s.lines),
        "line_sequences": numbers(line.sequence for line in lines),
        "line_ages": numbers(line.age for line in lines),
        "line_types": numbers(line.type for line in lines),
        "line_texts": texts(line.text for line in lines),
        "line_data": texts(line.data for line in lines),
    }


def _chunks(said: Sequence[Said]) -> dict[str, Any]:
    chunks = list(chain.from_iterable(s.chunks for s in said))
    return {
        "chunk_tasks": numbers(s.task for s in said for _ in s.chunks),
        "chunk_sequences": numbers(chunk.sequence for chunk in chunks),
        "chunk_ages": numbers(chunk.age for chunk in chunks),
        "chunk_streams": numbers(chunk.stream for chunk in chunks),
        "chunk_data": [chunk.data for chunk in chunks],
        "chunk_dropped": numbers(chunk.dropped for chunk in chunks),
    }


def _ended(ended: Sequence[Ended]) -> dict[str, Any]:
    return {
        "tasks": numbers(e.task for e in ended),
        "attempts": numbers(e.attempt for e in ended),
        "verdicts": numbers(e.verdict.value for e in ended),
        "started_ages": numbers(e.started_age for e in ended),
        "ended_ages": numbers(e.ended_age for e in ended),
        "messages": texts(e.message for e in ended),
        "results": texts(e.result for e in ended),
        "pauses": numbers(e.pause for e in ended),
    }
