"""The drainer on a real Valkey and a real main database: order, attempts, dead letters, stops."""

from __future__ import annotations

import os
import threading
import time

import psycopg
import pytest
from windlass_buffer.draining import Drainer, Rivalled
from windlass_buffer_client.envelope import Statement, encode

from tests.plugins.buffer.drains import Field, keys_in_order
from tests.plugins.buffer.replicas import Cluster


def test_what_is_buffered_is_applied_in_order_with_one_commit_a_batch(field: Field) -> None:
    entries = [field.entry("ab"[number % 2]) for number in range(450)]
    field.push(*entries)
    counts = field.drain()
    assert field.effects() == [(entry.key, number) for number, entry in enumerate(entries, 1)]
    assert (counts.applied, counts.commits) == (450, 3)
    assert {field.status(entry.id).state for entry in entries} == {"applied"}
    assert field.ask("select epoch, seq from windlass_buffer.position") == [(field.ledger.totals().epoch, 450)]


def test_the_status_has_where_the_log_stood_on_which_cluster_and_timeline(field: Field) -> None:
    entry = field.entry()
    field.push(entry)
    field.drain()
    status = field.status(entry.id)
    behind, system, timeline = field.ask(
        "select pg_current_wal_flush_lsn() - %s::pg_lsn, system_identifier::text, timeline_id"
        " from pg_control_system(), pg_control_checkpoint()",
        status.lsn,
    )[0]
    assert (behind >= 0, status.system, status.timeline) == (True, system, timeline)


def test_what_came_twice_is_applied_once(field: Field) -> None:
    twice, other = field.entry(), field.entry()
    field.push(twice, other, encode(twice), encode(twice))
    field.drain()
    field.push(encode(twice))
    field.drain()
    assert [number for _, number in field.effects()] == [1, 2]
    assert field.is_empty()


def test_one_commit_each_keeps_the_order_too(field: Field) -> None:
    field.place["batch"] = 1
    field.push(*[field.entry() for _ in range(30)])
    counts = field.drain()
    assert (counts.applied, counts.commits) == (30, 30)
    assert keys_in_order(field.effects())


def test_a_failing_entry_holds_its_key_and_nothing_else(field: Field) -> None:
    field.push(field.entry("a", by=0), *[field.entry("ab"[number % 2]) for number in range(1, 7)])
    with field.draining():
        field.wait(lambda: len(field.effects()) == 3)
        assert {key for key, _ in field.effects()} == {"b"}, "what waits behind it was applied"
        field.wait(field.is_empty)
    assert [number for key, number in field.effects() if key == "a"] == [3, 5, 7]
    assert [number for key, number in field.effects() if key == "b"] == [2, 4, 6]
    [(_, letter)] = field.ledger.letters()
    assert (letter.attempts, "division by zero" in letter.error) == (3, True)
    assert len([step for step in field.heard.steps if "attempt" in step]) == 2


def test_an_entry_that_works_at_its_third_attempt_is_applied_before_those_behind_it(field: Field) -> None:
    field.ask("create table gate (open int)")
    field.ask("insert into gate values (0)")
    field.place["statement"] = [
        *field.place["statement"],
        {"name": "gate", "sql": "select 1 / open from gate", "parameters": {}},
    ]
    held = field.entry("a")
    held.statements.insert(0, Statement(name="gate"))
    field.push(held, field.entry("a"), field.entry("b"), field.entry("a"))
    with field.draining():
        field.wait(lambda: any("attempt 1 of 3" in step for step in field.heard.steps))
        field.push(field.entry("a"), field.entry("b"))
        field.wait(lambda: any("attempt 2 of 3" in step for step in field.heard.steps))
        assert field.redis.ttl(field.keys.transaction(held.id)) > 2_400, "its status outlives its attempts"
        field.wait(lambda: len(field.effects()) == 2)
        assert [key for key, _ in field.effects()] == ["b", "b"]
        field.ask("update gate set open = 1")
        field.wait(field.is_empty)
    assert field.effects() == [("b", 3), ("b", 6), ("a", 1), ("a", 2), ("a", 4), ("a", 5)]
    assert field.ledger.letters() == []


def test_all_of_an_entry_or_nothing_of_it(field: Field) -> None:
    broken = field.entry("a")
    broken.statements.append(Statement(name="fail", parameters={"by": 0}))
    field.push(broken, field.entry("b"))
    field.drain()
    assert field.effects() == [("b", 2)]


@pytest.mark.parametrize("batch", [1, 200])
def test_a_constraint_that_is_checked_at_commit_blames_its_own_entry(field: Field, batch: int) -> None:
    field.place["batch"] = batch
    field.ask("alter table effect add constraint once unique (seq) deferrable initially deferred")
    bad = field.entry("b")
    bad.statements.append(bad.statements[0])
    field.push(field.entry("a"), bad, field.entry("b"), field.entry("c"))
    field.drain()
    assert sorted(field.effects()) == [("a", 2), ("b", 3), ("c", 4)]
    [(_, letter)] = field.ledger.letters()
    assert letter.id == str(bad.id)


def test_garbage_goes_to_the_dead_letters_and_the_drain_goes_on(field: Field) -> None:
    field.place["largest_entry"] = 2048
    garbage = [
        (b"no json", "no valid entry"),
        (b"\xff\xfe\x00", "no valid entry"),
        (b"[]", "no valid entry"),
        (b'{"id": 7}', "no valid entry"),
        (b"x" * 3000, "2,048 are allowed"),
    ]
    refused = [
        (b'{"name": "nope"}', "there is no statement 'nope'"),
        (b'{"name": "effect.ad"}', "did you mean effect.add?"),
        (b'{"name": "effect.add", "parameters": {"key": "a"}}', "missing required field `seq`"),
        (b'{"name": "effect.add", "parameters": {"key": "a", "seq": "x"}}', "Expected `int`, got `str` - at `$.seq`"),
        (b'{"name": "effect.add", "parameters": {"key": "a", "seq": 1, "more": 1}}', "unknown field `more`"),
        (b'{"sql": "drop table effect"}', "raw sql is not allowed here"),
    ]
    shaped = [
        (b'{"id": "00000000-0000-0000-0000-%012d", "endpoint": "/x", "statements": [%s]}' % (number, text), words)
        for number, (text, words) in enumerate(refused)
    ]
    for body, _ in (*garbage, *shaped):
        field.push(body, field.entry())
    counts = field.drain()
    expected = [*garbage, *shaped]
    assert len(field.effects()) == len(expected)
    letters = [letter for _, letter in field.ledger.letters()][::-1]
    assert [letter.raw for letter in letters] == [body for body, _ in expected]
    for letter, (_, words) in zip(letters, expected, strict=True):
        assert words in letter.error
    assert counts.dead == len(expected)


def test_raw_sql_runs_where_the_operator_allows_it_and_stays_one_statement_of_the_transaction(field: Field) -> None:
    field.place["allow_raw_sql"] = True
    start = '{"id": "00000000-0000-0000-0000-%012d", "endpoint": "/x", "statements": '
    raw = start + '[{"sql": "%s", "parameters": {"a": 1}}]}'
    insert = "insert into effect (key, seq) values ('100%%', %(a)s)"
    statements = [insert, "commit", insert + "; commit", "set role other", "/* x */ rollback"]
    field.push(*[(raw % (number, sql)).encode() for number, sql in enumerate(statements)])
    field.drain()
    assert field.effects() == [("100%", 1)]
    assert len(field.ledger.letters()) == 4


def test_a_wait_ends_within_a_second_when_the_drainer_is_to_stop(field: Field) -> None:
    field.numbers["BACKGROUND_PROCESSING_INTERVAL"] = 60.0
    with field.draining():
        field.wait(lambda: field.heard.stages == ["waiting for transactions"])
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    assert field.redis.zcard(field.keys.drainers) == 0


def test_an_idle_drainer_reacts_at_once_and_asks_the_database_nothing(field: Field) -> None:
    with field.draining():
        field.wait(lambda: field.heard.stages)
        assert field.ask("select count(*) from pg_stat_activity where application_name like 'windlass-buffer%%'") == [
            (0,)
        ]
        field.push(field.entry())
        field.wait(field.effects, within=0.9)


def test_what_is_in_hand_when_it_stops_goes_back_in_order(field: Field) -> None:
    field.numbers["TRANSACTION_RETRY_DELAY"] = 3_600.0
    entries = [field.entry("a", by=0), *[field.entry("a") for _ in range(5)]]
    field.push(*entries)
    with field.draining():
        field.wait(lambda: field.heard.steps)
    waiting = [b'"seq":%d' % number for number in range(6, 0, -1)]
    left = field.redis.lrange(field.keys.queue, 0, -1)
    assert [number in body for number, body in zip(waiting, left, strict=True)] == [True] * 6


def test_a_second_drainer_of_a_site_is_told_who_has_it(field: Field) -> None:
    with field.draining():
        field.wait(lambda: field.redis.zcard(field.keys.drainers))
        with pytest.raises(Rivalled, match="drainer 7-1-"):
            field.drainer(threading.Event(), task=8).run(5)
    assert field.drainer(threading.Event(), task=8).run(0.01).applied == 0


def test_an_outage_loses_nothing_and_uses_no_attempt(field: Field) -> None:
    """The database refuses everybody, and cuts who is there; then it is back."""
    field.numbers["TRANSACTION_RETRY_ATTEMPTS"] = 1
    name = field.ask("select current_database()")[0][0]
    with field.draining() as drainer, psycopg.connect(field.dsn, dbname="postgres", autocommit=True) as admin:
        shorten(drainer)
        field.push(*[field.entry("ab"[number % 2]) for number in range(10)])
        field.wait(lambda: len(field.effects()) == 10)
        admin.execute(f"alter database {name} with allow_connections false".encode())
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        field.push(*[field.entry("ab"[number % 2]) for number in range(10)])
        field.wait(lambda: any("is away" in stage for stage in field.heard.stages))
        field.wait(lambda: b"not currently accepting" in (field.redis.hget(field.keys.meta, "database") or b""))
        admin.execute(f"alter database {name} with allow_connections true".encode())
        field.wait(field.is_empty)
    assert [number for _, number in field.effects()] == list(range(1, 21))
    assert field.ledger.letters() == []
    assert drainer.counts.failed_attempts == 0
    assert any("is back after" in step for step in field.heard.steps)
    assert field.redis.hget(field.keys.meta, "database") == b""


def test_a_server_that_is_stopped_for_a_while_loses_nothing(cluster: Cluster, valkey_url: str, site: str) -> None:
    """BUFFER_OUTAGE=30 for the long one.  A crash, with work in hand and more coming in; then it is started again."""
    seconds = float(os.environ.get("BUFFER_OUTAGE", "1.5"))
    field = Field(valkey_url, cluster.primary.dsn(), site)
    field.create()
    field.numbers["TRANSACTION_RETRY_ATTEMPTS"] = 1
    with field.draining() as drainer:
        if seconds < 10:
            shorten(drainer)
        field.push(*[field.entry("ab"[number % 2]) for number in range(300)])
        field.wait(field.effects)
        cluster.primary.stop(immediate=True)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            field.push(field.entry("a"))
            threading.Event().wait(0.01)
        assert field.redis.llen(field.keys.queue) > 0
        cluster.primary.start()
        field.wait(field.is_empty, 30)
    effects = field.effects()
    assert sorted(number for _, number in effects) == list(range(1, field.seq + 1))
    assert keys_in_order(effects)
    assert (field.ledger.letters(), drainer.counts.failed_attempts) == ([], 0)
    assert sum("is back after" in step for step in field.heard.steps) == 1


class Quick:
    """Settings whose pause of an outage is not 10 s."""

    outage_pause = 0.2

    def __init__(self, settings: object) -> None:
        self._settings = settings

    def __getattr__(self, name: str) -> object:
        return getattr(self._settings, name)


def shorten(drainer: Drainer) -> None:
    drainer._settings = Quick(drainer._settings)  # type: ignore[assignment]


def test_a_deadlock_is_tried_again_and_is_no_attempt(field: Field) -> None:
    field.numbers["TRANSACTION_RETRY_ATTEMPTS"] = 1
    field.ask("create table pair_of (id int primary key, value int)")
    field.ask("insert into pair_of values (1, 0), (2, 0)")
    statement = {
        "name": "touch",
        "sql": "update pair_of set value = value + 1 where id = %(id)s",
        "parameters": {"id": "int"},
    }
    field.place["statement"] = [*field.place["statement"], statement]
    entry = field.entry()
    made = type(entry.statements[0])
    entry.statements += [made(name="touch", parameters={"id": 1}), made(name="touch", parameters={"id": 2})]
    with psycopg.connect(field.dsn) as other:
        # Ours looks for a deadlock first, so it is the one that is ended.
        other.execute("set deadlock_timeout = '20s'")
        other.execute("update pair_of set value = 0 where id = 2")
        with field.draining():
            field.push(entry)
            field.wait(lambda: field.ask("select 1 from pg_locks where not granted"))
            other.execute("update pair_of set value = 0 where id = 1")
            field.wait(lambda: field.heard.steps)
            other.commit()
            field.wait(field.is_empty)
    assert "no attempt: deadlock detected" in field.heard.steps[0]
    assert field.ask("select value from pair_of order by id") == [(1,), (1,)]
    assert field.ledger.letters() == []


def test_batches_that_fail_leave_nothing_behind_that_spoils_the_next(field: Field) -> None:
    """At its sixth use a statement is prepared, and in a pipeline that fails it is not."""
    field.place["batch"] = 3
    before = [field.entry() for _ in range(30)]
    field.push(*before)
    field.drain()
    field.push(*map(encode, before), *[field.entry() for _ in range(30)])
    field.drain()
    assert [number for _, number in field.effects()] == list(range(1, 61))
    assert field.ask("select fence from windlass_buffer.position") == [(2,)], "it had to connect again"


def test_a_statement_that_takes_too_long_and_what_can_not_be_sent_are_failed_attempts(field: Field) -> None:
    field.place |= {"statement_timeout": 0.3, "allow_raw_sql": True}
    field.numbers["TRANSACTION_RETRY_ATTEMPTS"] = 1
    slow, odd = field.entry("a"), field.entry("b")
    slow.statements.append(Statement(sql="select pg_sleep(60)"))
    odd.statements.append(Statement(sql="select %(a)s::text", parameters={"a": "a\0b"}))
    half = encode(field.entry("c")).replace(b'"key":"c"', b'"key":"\\ud800"')
    field.push(slow, odd, half, field.entry("d"))
    field.drain()
    assert [key for key, _ in field.effects()] == ["d"]
    errors = sorted(letter.error for _, letter in field.ledger.letters())
    assert len(errors) == 3
    assert any("statement timeout" in error for error in errors), errors
    assert any("NUL" in error for error in errors), errors


def test_a_take_is_bounded_in_bytes(field: Field) -> None:
    field.place["allow_raw_sql"] = True
    for _ in range(60):
        large = field.entry()
        large.statements.append(Statement(sql="select %(a)s::text", parameters={"a": "x" * 250_000}))
        field.push(large)
    intake = field.drainer(threading.Event())._intake
    intake.claim()
    assert len(intake.take(200)) == 34
    intake.release()
    intake.close()
    field.drain()
    assert [number for _, number in field.effects()] == list(range(1, 61))


def test_ids_are_forgotten_after_their_days_and_not_before(field: Field) -> None:
    field.place["keep_ids"] = 7.0
    field.push(field.entry())
    field.drain()
    for days, site in ((6, field.site), (8, field.site), (8, "other")):
        field.ask(
            "insert into windlass_buffer.applied select %s, gen_random_uuid(), 1, now() - make_interval(days => %s)"
            " from generate_series(1, 6000)",
            site,
            days,
        )
    count = "select count(*) from windlass_buffer.applied where site = %s"
    with field.draining():
        field.push(field.entry())
        field.wait(lambda: field.ask(count, field.site) == [(6_002,)])
    assert field.ask(count, "other") == [(6_000,)]
