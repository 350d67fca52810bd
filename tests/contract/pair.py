"""Both stores side by side, under one clock that stands still until it is moved.

PostgreSQL gets the clock by its search path: `now()` and `clock_timestamp()` find those in the schema `clock` before
its own.  The memory store gives out the ids that PostgreSQL gave.  So every answer must be equal, to the microsecond
and the last id.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from windlass.errors import WindlassError
from windlass.store.facts import Receipt, Sort, Watched
from windlass.store.memory import MemoryStore, World
from windlass.store.port import Store
from windlass.store.postgres import PostgresStore, open_store

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = 1_000
A_WEEK = 7 * 86_400.0
CLOCK = """
create schema clock;
create table clock.hand (at timestamptz not null) with (fillfactor = 10);
insert into clock.hand values ('2026-01-01Z');
create function clock.now() returns timestamptz language sql stable as 'select at from clock.hand';
create function clock.clock_timestamp() returns timestamptz language sql stable as 'select at from clock.hand';
alter table windlass.task alter column created_at set default clock.now();
alter table windlass.joined alter column at set default clock.now();
alter table windlass.lane_wait alter column at set default clock.now();
alter table windlass.node alter column joined_at set default clock.now();
alter table windlass.document_version alter column stored_at set default clock.now();
"""
TABLES = "select relname from pg_class where relnamespace = 'windlass'::regnamespace and relkind in ('r', 'p') "
KEPT = "and not relispartition and relname <> 'migration'"
PLACES = """
select id, 'ready', 0, start_by from windlass.ready union all select id, 'deferred', 0, start_by from windlass.deferred
union all select id, 'blocked', waits, start_by from windlass.blocked
union all select id, 'running', coalesce(slot, 0), start_by from windlass.running order by 1
"""
"""What nobody may see yet decides what everybody sees later, so where tasks wait is compared as well."""

Ask = Callable[[Store], Any]


class SameIds(World):
    """A world whose ids are those that the other store has given out; -1 for a task which that one did not make."""

    planned: list[int]

    @property
    def last_id(self) -> int:
        return (self.planned[0] if self.planned else 0) - 1

    @last_id.setter
    def last_id(self, made: int) -> None:
        self.planned = self.planned[1:] if made else []


class Pair:
    """`both` asks both stores the same and compares; `compare` looks at everything that can be read."""

    def __init__(self, dsn: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._admin = psycopg.connect(dsn, autocommit=True)
        self._admin.execute(CLOCK)
        name = sql.Identifier(str(conninfo_to_dict(dsn)["dbname"]))
        self._admin.execute(sql.SQL("alter database {} set search_path = clock, pg_catalog, public").format(name))
        self._postgres: PostgresStore = self._loop.run_until_complete(open_store(dsn, connections=4))
        tables = [row[0] for row in self._admin.execute(TABLES + KEPT).fetchall()]
        self._empty = ";".join([*(f"delete from windlass.{name}" for name in tables), "select 1"])
        self.begin()

    def close(self) -> None:
        self._loop.run_until_complete(self._postgres.close())
        self._loop.close()
        self._admin.close()

    def begin(self) -> None:
        """Nothing is stored, and the clock is at its start."""
        self._admin.execute(self._empty)
        self._admin.execute(
            "alter table windlass.node alter column id restart; alter sequence windlass.task_id restart"
        )
        self._postgres._queue._frontiers.clear()
        self.now = START
        self.pass_time(0)
        self.world = SameIds(lambda: self.now)
        self._memory = MemoryStore(self.world)
        self._seen: list[Any] = []

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._admin.execute("update clock.hand set at = %s", (self.now,))

    def both(self, ask: Ask, *, sort: Callable[[Any], Any] | None = None) -> Any:
        """The answer of both, which must be the same; `sort` is the order of an answer that promises none."""
        self._known = {str(task) for task in self.world.tasks}
        theirs = self._answer(self._postgres, ask, sort)
        made = theirs if isinstance(theirs, list) else []
        self.world.planned = [one.task for one in made if isinstance(one, Receipt) and one.sort is Sort.CREATED]
        mine = self._answer(self._memory, ask, sort)
        assert mine == theirs, f"\nmemory:   {mine}\npostgres: {theirs}"
        return mine

    def compare(self) -> None:
        """Where every task is; and, where the last step changed any of it, the queue, the history and every event."""
        mine, theirs = self._memory_places(), self._admin.execute(PLACES).fetchall()
        assert mine == theirs, f"\nmemory:   {mine}\npostgres: {theirs}"
        seen = [self._answer(self._memory, ask, None) for ask in self._reads()]
        if seen != self._seen:
            self._seen = seen
            self.compare_lists()

    def compare_lists(self) -> None:
        """The queue, the history and every event."""
        for ask in self._reads():
            self.both(ask)

    def _reads(self) -> list[Ask]:
        watched = [Watched(task, 0) for task in self.world.tasks]
        return [_active, _cards, lambda store: store.library.events(watched, EVERYTHING)]

    def _memory_places(self) -> list[tuple[Any, ...]]:
        world = self.world
        places = [(p.id, "ready", 0, p.start_by) for p in world.ready.values()]
        places += [(p.id, "deferred", 0, p.start_by) for p in world.deferred.values()]
        places += [(p.id, "blocked", p.waits, p.start_by) for p in world.blocked.values()]
        places += [(id_, "running", held.slot or 0, held.place.start_by) for id_, held in world.running.items()]
        return sorted(places)

    def compare_details(self) -> None:
        """What is read of one task at a time, and of what is not a task."""
        self.compare_lists()
        for task in self.world.tasks:
            for name in ("task", "card", "request", "standing"):
                self.both(_reading(name, task))
            self.both(_reading("children", task, EVERYTHING))
        self.both(lambda store: store.queue.joined(list(self.world.tasks)))
        self.both(lambda store: store.lanes.lanes())
        for ask in (lambda store: store.roster.nodes(A_WEEK), _pools_of, lambda store: store.roster.kinds()):
            self.both(ask)

    def _answer(self, store: Store, ask: Ask, sort: Callable[[Any], Any] | None) -> Any:
        try:
            answer = ask(store)
            if inspect.isawaitable(answer):
                answer = self._loop.run_until_complete(_waited(answer))
        except WindlassError as error:
            return self._plain(error)
        if isinstance(answer, list):
            return [self._plain(one) for one in (sorted(answer, key=sort) if sort else answer)]
        return answer

    def _plain(self, one: Any) -> Any:
        # Words of errors are each store's own; the kind of error and its facts are not. A batch that is refused because
        # of itself may name a task that was never stored.
        if isinstance(one, WindlassError):
            return type(one).__name__, {
                name: fact for name, fact in one.facts.items() if name != "task" or fact in self._known
            }
        return one


async def _waited(answer: Awaitable[Any]) -> Any:
    return await answer


def _reading(name: str, *words: Any) -> Ask:
    return lambda store: getattr(store.library, name)(*words)


def _pools_of(store: Store) -> Any:
    return store.roster.pools()


def _active(store: Store) -> Any:
    return store.library.active(EVERYTHING, None)


def _cards(store: Store) -> Any:
    return store.library.cards(EVERYTHING, None, None)
