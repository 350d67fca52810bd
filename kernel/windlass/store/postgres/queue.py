"""How tasks move, in PostgreSQL: each call is one statement (enqueue: more where one task looks at others)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from windlass.core.lifecycle import State, Verdict
from windlass.errors import (
    AttemptSuperseded,
    InvalidArgument,
    RequestIdReused,
    StoreUnavailable,
    TaskInterrupted,
    TaskNotFound,
    TaskOver,
)
from windlass.store.facts import (
    Asked,
    Claimed,
    Ended,
    Interrupted,
    JoinedFacts,
    Membership,
    NewTask,
    Note,
    Parent,
    Promoted,
    Receipt,
    Said,
    Settled,
    Sort,
)
from windlass.store.port import Answer, Queue
from windlass.store.postgres import parameters
from windlass.store.postgres.connection import STATEMENT_SECONDS, Connections, Run
from windlass.store.postgres.frontier import Frontier
from windlass.store.postgres.line import Line

# A look-up costs a third of what calling the enum does.
VERDICTS = {verdict.value: verdict for verdict in Verdict}
LOOKS = 20
LOOK_PAUSE = 0.003
"""Seconds, more at each look: in the end it has looked for half a second."""


class PostgresQueue(Queue):
    def __init__(self, connections: Connections) -> None:
        self._db = connections
        self._claims = Line(connections.address, kept=True)
        self._words, self._ends = Line(connections.address), Line(connections.address)
        self._orders = (Line(connections.address, kept=True), Line(connections.address, kept=True))
        self._frontiers: dict[tuple[str, ...], Frontier] = {}

    async def close(self) -> None:
        """Hang up."""
        for line in (self._claims, self._words, self._ends, *self._orders):
            await line.close()

    async def enqueue(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        async with self._db.transaction() as run:
            receipts = await self.enqueue_within(run, tasks)
        await self.release_if_blocked(tasks)
        return receipts

    async def enqueue_within(self, run: Run, tasks: Sequence[NewTask]) -> list[Receipt]:
        """The same, as a part of somebody else's transaction: `release_if_blocked` is to be called after its commit."""
        answers = await self._store(run, tasks)
        for answer in answers:
            if isinstance(answer, InvalidArgument):
                raise answer
        return [answer for answer in answers if isinstance(answer, Receipt)]

    async def enqueue_each(self, tasks: Sequence[NewTask]) -> list[Answer]:
        if all(task.stands_alone and task.note is None for task in tasks):
            # One round trip: nothing can be refused after it, so it needs no transaction around it.
            line = self._orders[self._orders[0].is_busy]
            answers = await self._store_alone(line.rows, self._db.rows, tasks)
        else:
            async with self._db.transaction() as run:
                answers = await self._store(run, tasks)
        await self.release_if_blocked(tasks)
        return answers

    async def enqueue_children(self, parent: Parent, children: Sequence[NewTask]) -> list[Receipt]:
        async with self._db.transaction() as run:
            receipts = await self.enqueue_within(run, children)
            flags = await run("fence_attempt", msgspec.structs.asdict(parent))
            if not flags:
                raise AttemptSuperseded(f"attempt {parent.attempt} of task {parent.task} is superseded")
            if flags[0][0]:
                raise TaskInterrupted(f"task {parent.task} is being interrupted: it makes no children")
        await self.release_if_blocked(children)
        return receipts

    async def _store(self, run: Run, tasks: Sequence[NewTask]) -> list[Answer]:
        alone = [task for task in tasks if task.stands_alone]
        others = [task for task in tasks if not task.stands_alone]
        answered = iter(await self._store_alone(run, run, alone) if alone else ())
        put = iter(await self._put(run, others) if others else ())
        answers = [next(answered if task.stands_alone else put) for task in tasks]
        for task, answer in zip(tasks, answers, strict=True):
            if task.note is not None and isinstance(answer, Receipt) and not answer.repeated:
                await run("write_audit", msgspec.structs.asdict(task.note))
        return answers

    async def _store_alone(self, run: Run, read: Run, tasks: Sequence[NewTask]) -> list[Answer]:
        made = [row[0] for row in await run("enqueue_tasks", parameters.asked(tasks) | {"hint": self._hint(tasks)})]
        repeated = [task.request_id for task, id_ in zip(tasks, made, strict=True) if id_ is None]
        rows = await read("read_requests", {"ids": repeated}) if repeated else ()
        earlier = {row[0]: (row[2], row[1]) for row in rows}
        if any(request not in earlier for request in repeated):
            raise StoreUnavailable("a request id was forgotten while it was looked up; try again")
        return [
            Receipt(id_) if id_ is not None else _repeated(task, *earlier[task.request_id])
            for task, id_ in zip(tasks, made, strict=True)
        ]

    async def _put(self, run: Run, tasks: Sequence[NewTask]) -> list[Answer]:
        rows = sorted(await run("put_tasks", parameters.put(tasks)))
        answers: list[Answer] = []
        for task, (_, id_, sort, first_hash, state, joined) in zip(tasks, rows, strict=True):
            repeated = sort == Sort.REPEATED.value
            made = Receipt(id_, Sort(sort), State(state or State.PENDING), joined or 0)
            answers.append(_repeated(task, id_, first_hash) if repeated else made)
        answered = zip(tasks, answers, strict=True)
        created = [(a.task, t) for t, a in answered if isinstance(a, Receipt) and a.sort is Sort.CREATED]
        waiting = [(id_, task) for id_, task in created if task.after]
        missing = await run("put_dependencies", parameters.dependencies(waiting)) if waiting else ()
        if missing:
            raise TaskNotFound(f"there is no task {missing[0][0]} to wait for", task=missing[0][0])
        await run("hint", {"hint": self._hint(tasks)})
        return answers

    def _hint(self, tasks: Sequence[NewTask]) -> str:
        pools = {task.pool for task in tasks if task.delay <= 0}
        if len(pools) != 1 or not all(task.stands_alone for task in tasks):
            # One that joins may have hastened a task of another pool.
            return self._db.hint("ready" if pools else "later")
        [pool] = pools
        return self._db.hint("ready" if " " in pool else f"ready/{pool}")

    async def release_if_blocked(self, tasks: Sequence[NewTask]) -> None:
        """Their gates may be open already: only after the commit of these tasks can that be seen."""
        if any(task.slot_key is not None or not task.stands_alone for task in tasks):
            # They are stored, whatever comes of this: the leader looks at the gates every second.
            with suppress(StoreUnavailable):
                await self.release()

    async def claim(self, node: int, pool: str, kinds: Sequence[str], limit: int) -> list[Claimed]:
        # Whoever claims other kinds of a pool leaves others behind.
        frontier = self._frontiers.setdefault((pool, *kinds), Frontier(STATEMENT_SECONDS))
        asked = {"node": node, "pool": pool, "kinds": list(kinds)}
        claimed: list[Claimed] = []
        try:
            # A claim that did not look may have missed something; one that parked tasks has not seen the rest.
            again = True
            while again and len(claimed) < limit:
                more, looked, parked = await self._claim(frontier, asked, limit - len(claimed))
                claimed += more
                again = parked > 0 or not looked
        except BaseException:
            # What that claim did, and what it passed over, is not known.
            frontier.forget()
            raise
        return claimed

    async def _claim(self, frontier: Frontier, asked: dict[str, Any], limit: int) -> tuple[list[Claimed], bool, int]:
        place = frontier.ask(time.monotonic())
        rows = await self._claims.rows("claim_tasks", asked | place | {"limit": limit})
        claimed = [Claimed(*row[2:]) for row in rows if row[2] is not None]
        look, parked = rows[0][:2]
        looked = None if look is None else msgspec.json.decode(look)
        taken = ((c.priority, c.next_try_at, c.id) for c in claimed)
        over = frontier.learn(looked, taken, sparse=len(claimed) + parked < limit)
        if parked:
            # A slot may have come free since this claim's snapshot; whoever freed it did not see what was parked.
            await self.release()
        return claimed, looked is not None and not over, parked

    async def reclaim(self, node: int, pool: str, known: Sequence[int]) -> list[Claimed]:
        rows = await self._db.rows("reclaim_tasks", {"node": node, "pool": pool, "known": list(known)})
        return [Claimed(*row) for row in rows]

    async def joined(self, tasks: Sequence[int]) -> dict[int, list[JoinedFacts]]:
        found: dict[int, list[JoinedFacts]] = {}
        for task, *facts in await self._db.rows("read_joined", {"tasks": list(tasks)}):
            found.setdefault(task, []).append(JoinedFacts(*facts))
        return found

    async def say(self, node: int, said: Sequence[Said]) -> set[int]:
        rows = await self._words.rows("say", {"node": node} | parameters.told(said))
        return {row[0] for row in rows}

    async def finish(self, node: int, ended: Sequence[Ended]) -> list[Settled]:
        rows = await self._ends.rows("finish_tasks", {"node": node} | parameters.finished(ended))
        return [Settled(row[0], VERDICTS[row[1]], row[2]) for row in rows]

    async def interrupt(self, ask: Asked, note: Note | None = None) -> Interrupted:
        message = f"interrupted by {ask.by}" + (f": {ask.reason}" if ask.reason else "")
        # A task that moved between the two statements is found by neither, nor one that somebody joins: look again.
        for look in range(LOOKS):
            await asyncio.sleep(look * LOOK_PAUSE)
            if await self._db.rows("cancel_waiting", {"task": ask.task, "message": message}, note):
                return Interrupted(State.CANCELED)
            flag = {"task": ask.task, "by": ask.by, "reason": ask.reason}
            holder = await self._db.rows("flag_interrupt", flag, note)
            if holder:
                await self._db.rows("hint", {"hint": self._db.hint("interrupt")})
                return Interrupted(State.CANCELLING, holder[0][0])
            await self._check_in_queue(ask.task)
        raise StoreUnavailable(f"task {ask.task} moved each time it was looked at; try again", task=ask.task)

    async def interrupts(self, node: int) -> list[Asked]:
        return [Asked(*row) for row in await self._db.rows("read_interrupts", {"node": node})]

    async def reprioritize(self, task: int, priority: int, note: Note | None = None) -> State:
        for look in range(LOOKS):
            await asyncio.sleep(look * LOOK_PAUSE)
            rows = await self._db.rows("reprioritize", {"task": task, "priority": priority}, note)
            if rows:
                return State(rows[0][0])
            await self._check_in_queue(task)
        raise StoreUnavailable(f"task {task} moved each time it was looked at; try again", task=task)

    async def _check_in_queue(self, task: int) -> None:
        place = await self._db.rows("read_place", {"task": task})
        if not place:
            raise TaskNotFound(f"there is no task {task}", task=task)
        if State(place[0][0]).final:
            state = State(place[0][0]).name
            raise TaskOver(f"task {task} has already ended: {state}", task=task, state=state)

    async def promote(self, membership: Membership, limit: int) -> Promoted | None:
        facts = {"node": membership.node, "term": membership.term, "limit": limit, "hint": self._db.hint("ready")}
        leads, next_due, moved, has_blocked, has_late = (await self._db.rows("promote_due", facts))[0]
        if not leads:
            return None
        return Promoted(moved, 0.0 if moved == limit else next_due, has_blocked, has_late)

    async def release(self, limit: int = 1_000) -> int:
        # In the order of the gates, so that a task may pass all of them in one call.
        while (await self._db.rows("release_dependents", {"limit": limit}))[0][0]:
            # Those that were canceled have ended too, and others may have waited for them.
            pass
        await self._db.rows("release_followups", {"limit": limit})
        rows = await self._db.rows("release_slots", {"limit": limit, "hint": self._db.hint("ready")})
        return int(rows[0][0])

    async def expire(self, membership: Membership, limit: int) -> int:
        facts = {"node": membership.node, "term": membership.term, "limit": limit}
        return int((await self._db.rows("expire_unstarted", facts))[0][0])


def _repeated(task: NewTask, first: int, body_hash: bytes) -> Answer:
    if body_hash != task.body_hash:
        return RequestIdReused(
            f"request_id {task.request_id} was used before with another body: choose a new id for a new task",
            field="request_id",
            request_id=task.request_id,
            task=first,
        )
    return Receipt(first, Sort.REPEATED)
