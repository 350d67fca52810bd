"""A drainer that is killed anywhere, or only stopped and woken: each transaction exactly once, and in order.

`BUFFER_KILLS=200` for the long run.  What happened stands in a table of the main database that would take a row twice.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from threading import Event

import msgspec
import psycopg
import pytest
from windlass_buffer.draining import Rivalled
from windlass_buffer_client.envelope import Statement

from tests.plugins.buffer.drains import Field, keys_in_order

KILLS = int(os.environ.get("BUFFER_KILLS", "12"))
PLACES = ("buffer.take", "buffer.apply", "buffer.commit", "buffer.remove")
KEYS = ("a", "b", "c")
EACH = 50
KILLED, AT_A_FAILPOINT = -signal.SIGKILL, 70
ROOT = Path(__file__).parents[3]


def start(field: Field, attempt: int, failpoints: str = "", log: Path | None = None) -> subprocess.Popen[str]:
    """A drainer in a process of its own."""
    environ = {**os.environ, "WINDLASS_FAILPOINTS": failpoints, "WINDLASS_FAILPOINTS_LOG": str(log or os.devnull)}
    settings = msgspec.json.encode(field.settings).decode()
    command = [sys.executable, "-m", "tests.plugins.buffer.drains", settings, str(attempt), "30"]
    return subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def judge(field: Field) -> None:
    """Everything once, in the order of its key; Redis agrees."""
    effects = field.effects()
    assert Counter(number for _, number in effects) == Counter(range(1, field.seq + 1))
    assert keys_in_order(effects)
    assert field.ledger.letters() == []
    assert field.ledger.totals().drained == field.seq
    assert field.ask("select seq, (select count(*) from windlass_buffer.applied) from windlass_buffer.position") == [
        (field.seq, field.seq)
    ]


def test_killed_at_every_line_it_applies_everything_once_and_in_order(field: Field) -> None:
    field.place["batch"] = 10
    chance, hits = random.Random(7), Counter[str]()
    for attempt in range(1, KILLS + 1):
        place = PLACES[attempt % len(PLACES)]
        field.push(*[field.entry(chance.choice(KEYS)) for _ in range(EACH)])
        # A batch comes five times in each round, and what is taken or told at once comes once.
        nth = chance.randint(1, 5) if place in {"buffer.apply", "buffer.commit"} else 1
        process = start(field, attempt, f"{place}=exit@#{nth}")
        _, errors = process.communicate(timeout=60)
        assert process.returncode == AT_A_FAILPOINT, errors
        hits[place] += 1
    assert set(hits) == set(PLACES), "void: a place was never reached"
    field.drain(attempt=KILLS + 1)
    judge(field)


def test_killed_from_outside_in_the_midst_of_a_load(field: Field) -> None:
    field.place["batch"] = 3
    chance = random.Random(3)
    kills = max(3, KILLS // 4)
    for attempt in range(1, kills + 1):
        field.push(*[field.entry(chance.choice(KEYS)) for _ in range(300)])
        process = start(field, attempt)
        far = field.ask("select count(*) from effect")[0][0] + chance.randint(1, 250)
        field.wait(partial(reached, field, far), 30)
        process.kill()
        process.communicate(timeout=30)
        assert process.returncode == KILLED
    field.drain(30, attempt=kills + 1)
    judge(field)


def reached(field: Field, far: int) -> bool:
    return bool(field.ask("select count(*) from effect")[0][0] >= far)


@pytest.mark.parametrize("place", PLACES)
def test_a_drainer_that_was_only_stopped_changes_nothing_when_it_wakes(
    field: Field, tmp_path: Path, place: str
) -> None:
    """It holds entries, or an open transaction with their locks, while another one takes the site over."""
    log = tmp_path / "hits"
    field.place["batch"] = 10
    field.push(*[field.entry(KEYS[number % 3]) for number in range(40)])
    field.place["replica"] = [{"name": "one", "dsn": field.dsn}]  # so that replication is followed
    process = start(field, 1, f"{place}=pause:2.5@#1", log)
    field.wait(log.exists, 30)
    field.wait(lambda: is_stopped(process))
    with field.draining(attempt=2):
        field.wait(field.is_empty)
        field.push(*[field.entry(KEYS[number % 3]) for number in range(40)])
        field.wait(field.is_empty)
        done = field.effects()
        known = [key.rpartition(b":")[2].decode() for key in all_statuses(field)]
        field.ledger.replicated(known)
        assert is_stopped(process), "void: it woke too early to be late"
        field.wait(lambda: process.poll() is not None, 30)
        assert field.effects() == done
        field.push(*[field.entry(KEYS[number % 3]) for number in range(10)])
        field.wait(field.is_empty)
    _, errors = process.communicate(timeout=10)
    assert "Rivalled: drainer 7-2-" in errors
    judge(field)
    assert {field.status(id).state for id in known} == {"replicated"}, "what it said late was heard"


def test_a_drainer_that_wakes_late_does_not_apply_what_died_meanwhile(field: Field, tmp_path: Path) -> None:
    """It has the entry in hand and its connection open; nothing but the fence is in its way."""
    log = tmp_path / "hits"
    field.ask("create table gate (open int)")
    field.ask("insert into gate values (0)")
    field.place["allow_raw_sql"] = True
    field.numbers["TRANSACTION_RETRY_ATTEMPTS"] = 1
    dies = field.entry("a")
    dies.statements.insert(0, Statement(sql="select 1 / open from gate"))
    field.push(dies, field.entry("a"))
    process = start(field, 1, "buffer.take=pause:2.0@#1", log)
    field.wait(log.exists, 30)
    field.wait(lambda: is_stopped(process))
    with field.draining(attempt=2):
        field.wait(field.is_empty)
        assert field.status(dies.id).state == "dead"
        field.ask("update gate set open = 1")
        assert is_stopped(process), "void: it woke too early to be late"
        field.wait(lambda: process.poll() is not None, 30)
    process.communicate(timeout=10)
    assert field.effects() == [("a", 2)]


def all_statuses(field: Field) -> list[bytes]:
    return list(field.redis.scan_iter(f"{field.keys.root}tx:*"))


def is_stopped(process: subprocess.Popen[str]) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_two_drainers_that_start_at_once_reclaim_what_a_dead_one_left(field: Field, tmp_path: Path) -> None:
    field.place["batch"] = 10
    field.push(*[field.entry(KEYS[number % 3]) for number in range(40)])
    process = start(field, 1, "buffer.take=exit")
    process.communicate(timeout=60)
    assert field.redis.llen(field.keys.queue) == 0, "void: it had taken nothing"
    both = [start(field, 2), start(field, 3)]
    field.wait(field.is_empty, 30)
    for each in both:
        each.kill()
        each.communicate(timeout=30)
    judge(field)


def test_a_dead_drainer_of_another_task_is_reclaimed_after_its_last_beats_are_old(field: Field) -> None:
    field.push(*[field.entry(KEYS[number % 3]) for number in range(10)])
    dead = field.keys.taken("9-1-gone")
    for _ in range(4):
        field.redis.lmove(field.keys.queue, dead, "RIGHT", "LEFT")
    seconds, _ = field.redis.time()
    field.redis.zadd(field.keys.drainers, {"9-1-gone": (seconds - 10) * 1000})
    with pytest.raises(Rivalled, match="9-1-gone"):
        field.drainer(Event()).run(5)
    field.redis.zadd(field.keys.drainers, {"9-1-gone": (seconds - 16) * 1000})
    field.drain()
    assert [number for _, number in field.effects()] == list(range(1, 11))
    judge(field)


def test_another_session_in_an_open_transaction_of_the_site_is_ended_and_not_waited_for(field: Field) -> None:
    field.push(field.entry())
    field.drain()
    zombie = psycopg.connect(field.dsn, application_name=f"windlass-buffer {field.site}")
    zombie.execute("select * from windlass_buffer.position for update")
    field.push(field.entry())
    field.drain()
    with pytest.raises(psycopg.OperationalError):
        zombie.execute("select 1")
    judge(field)
