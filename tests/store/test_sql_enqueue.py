"""`SELECT windlass.enqueue(…)`: a task in the caller's own transaction, from any language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from windlass.core.agents import LONGEST_ID, pool_of
from windlass.core.lifecycle import State
from windlass.store.pools import KindFacts
from windlass.store.port import Store

from tests.contract.facts import claim, facts_of, node_of

KINDS = [
    KindFacts("Noop", pool="default", attempts=7, pause=3.0),
    KindFacts("Join", "default", 10, 30.0, joins_running=True),
]


@pytest.fixture
async def ready(store: Store) -> Store:
    """A database whose pools and kinds a node has registered."""
    await store.pools.register({"default": 40}, KINDS)
    return store


@pytest.fixture
def connection(dsn: str, ready: Store) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn) as opened:
        yield opened


def enqueue(connection: psycopg.Connection[Any], arguments: str, *values: Any) -> int:
    [[task]] = connection.execute(f"select windlass.enqueue({arguments})", values).fetchall()
    return int(task)


async def test_a_task_exists_when_its_transaction_commits(connection: psycopg.Connection[Any], ready: Store) -> None:
    task = enqueue(connection, "'Noop', %s, title => 'from sql'", '{"i": 1}')
    assert await ready.library.task(task) is None
    connection.commit()
    facts = await facts_of(ready, task)
    assert (facts.kind, facts.title, facts.payload, facts.pool) == ("Noop", "from sql", b'{"i": 1}', "default")
    assert (facts.attempt_limit, facts.retry_pause, facts.trigger, facts.origin) == (7, 3.0, "sql", 2)
    assert facts.initiator.startswith("sql:")
    assert [claimed.id for claimed in await claim(ready, await node_of(ready))] == [task]


async def test_a_task_whose_transaction_rolls_back_never_was(connection: psycopg.Connection[Any], ready: Store) -> None:
    task = enqueue(connection, "'Noop'")
    connection.rollback()
    assert await ready.library.task(task) is None
    assert await claim(ready, await node_of(ready)) == []


async def test_an_agents_pool_is_there_before_the_agent_is(connection: psycopg.Connection[Any], ready: Store) -> None:
    ids = ("web-01", "0", "a" * LONGEST_ID)
    made = [enqueue(connection, "'Noop', pool => %s", pool_of(agent)) for agent in ids]
    connection.commit()
    assert [(await facts_of(ready, task)).pool for task in made] == [pool_of(agent) for agent in ids]


async def test_a_claim_waits_for_no_open_transaction(connection: psycopg.Connection[Any], ready: Store) -> None:
    enqueue(connection, "'Noop', coalesce_key => 'k'")
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as another:
        task = enqueue(another, "'Noop', coalesce_key => 'other'")
    assert [claimed.id for claimed in await claim(ready, await node_of(ready))] == [task]


async def test_a_repeated_request_id_is_the_first_task(connection: psycopg.Connection[Any]) -> None:
    request = uuid4()
    first = enqueue(connection, "'Noop', request_id => %s", request)
    assert enqueue(connection, "'Noop', request_id => %s", request) == first
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="used before with another body"):
        enqueue(connection, "'Noop', priority => 9, request_id => %s", request)


async def test_requests_of_one_key_fold_into_one_task(connection: psycopg.Connection[Any], ready: Store) -> None:
    first = enqueue(connection, "'Noop', '1', coalesce_key => 'k'")
    assert enqueue(connection, "'Noop', '2', coalesce_key => 'k', priority => 9") == first
    connection.commit()
    [claimed] = await claim(ready, await node_of(ready))
    assert (claimed.id, claimed.priority, claimed.coalesce_key) == (first, 9, "k")
    [joined] = (await ready.queue.joined([first]))[first]
    assert joined.payload == b"2"


async def test_a_task_after_another_waits(connection: psycopg.Connection[Any], ready: Store) -> None:
    first = enqueue(connection, "'Noop'")
    second = enqueue(connection, "'Noop', after => %s", [first])
    connection.commit()
    assert [claimed.id for claimed in await claim(ready, await node_of(ready))] == [first]
    assert (await facts_of(ready, second)).state is State.PENDING


async def test_a_delayed_task_is_not_due(connection: psycopg.Connection[Any], ready: Store) -> None:
    enqueue(connection, "'Noop', delay => '1 hour'")
    enqueue(connection, "'Noop', due_at => now() + interval '1 hour'")
    connection.commit()
    assert await claim(ready, await node_of(ready)) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'Nope'", "no node has ever known kind 'Nope'"),
        ("'Noop', pool => 'nope'", "there is no pool 'nope'"),
        ("'Noop', pool => 'agent:'", "pool 'agent:' is none that an agent could have"),
        ("'Noop', pool => 'agent:Web 1'", "pool 'agent:Web 1' is none that an agent could have"),
        ("'Noop', pool => E'agent:web\\n'", "is none that an agent could have"),
        (f"'Noop', pool => 'agent:{'a' * 81}'", "is none that an agent could have"),
        ("'Noop', priority => 101", "priority must be from 0 to 100, not 101"),
        ("'Noop', attempts => 0", "attempts must be from 1 to 32000, not 0"),
        ("'Noop', after => '{4711}'", "there is no task 4711 to wait for"),
        ("'Noop', coalesce_key => 'k', after => '{1}'", "can't wait for other tasks"),
        ("'Noop', labels => '[1]'", "labels an object of strings"),
        ("'Noop', null", "payload must be JSON"),
        ("'Noop', to_jsonb(repeat('x', 1048577))", "the size of payload"),
    ],
)
def test_what_can_not_work_is_refused_in_clear_words(
    connection: psycopg.Connection[Any], arguments: str, words: str
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=words):
        enqueue(connection, arguments)


def test_an_application_needs_no_right_but_to_execute_it(connection: psycopg.Connection[Any]) -> None:
    role = sql.Identifier(f"app_{uuid4().hex}")
    connection.execute(sql.SQL("create role {}").format(role))
    connection.execute(sql.SQL("grant usage on schema windlass to {}").format(role))
    connection.execute(sql.SQL("set local role {}").format(role))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
        enqueue(connection, "'Noop'")
    connection.execute("reset role")
    connection.execute(sql.SQL("grant execute on function windlass.enqueue to {}").format(role))
    connection.execute(sql.SQL("set local role {}").format(role))
    assert enqueue(connection, "'Noop'") > 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from windlass.task")


async def test_a_task_keeps_the_trace_it_is_given(connection: psycopg.Connection[Any], ready: Store) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    arguments = "'Noop', traceparent => %s, tracestate => %s, coalesce_key => %s"
    asked = [
        ((traceparent, None, None), traceparent),
        ((traceparent, "a=b", "key"), f"{traceparent} a=b"),
        ((traceparent, "a=\n", None), traceparent),
        ((None, "a=b", None), None),
        # It must not fail the transaction that it tells of.
        (("00-nonsense", None, None), None),
        ((traceparent.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), None, None), None),
    ]
    made = [(enqueue(connection, arguments, *values), expected) for values, expected in asked]
    connection.commit()
    assert [(await facts_of(ready, task)).trace for task, _ in made] == [expected for _, expected in made]
