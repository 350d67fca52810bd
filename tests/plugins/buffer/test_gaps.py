"""What a look at Redis' counters means, on paper; then Redis emptied, killed, set back and silent, for real."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from windlass_buffer.aside import Aside
from windlass_buffer.database import Position
from windlass_buffer.gaps import change, differences, remaining
from windlass_buffer.taking import connect
from windlass_buffer.watching import Watch
from windlass_buffer_client import SyncBufferClient
from windlass_buffer_client.envelope import Statement
from windlass_buffer_client.reports import Gap, Totals

from tests.plugins.buffer.drains import Field
from tests.plugins.buffer.links import Link
from tests.plugins.buffer.replicas import Pair
from tests.valkeys import Valkey

E1, E2 = "1-aa", "2-bb"


def gap(first: int, last: int, epoch: str = E1) -> Gap:
    return Gap(epoch, first, last, last - first + 1, 0.0)


# --- on paper


@pytest.mark.parametrize(
    ("known", "now"),
    [
        (Totals(), Totals()),
        (Totals(), Totals(E1, 5, 5)),
        (Totals(E1, 5, 3), Totals(E1, 5, 3)),
        (Totals(E1, 5, 3), Totals(E1, 9, 9, 1)),
    ],
)
def test_a_redis_that_only_went_on_has_lost_nothing(known, now):
    assert change(known, now) is None


@pytest.mark.parametrize(
    ("now", "what", "dead"),
    [
        (Totals(), "emptied", 2),
        (Totals(E2, 3), "emptied", 2),
        (Totals(E1, 15, 10, 2), "set back", 0),
        (Totals(E2, 20, 10, 2), "", 0),
        (Totals(E2, 25, 11, 3), "", 0),
    ],
)
def test_a_redis_that_knows_less_than_before_is_noticed_and_a_new_epoch_is_looked_into(now, what, dead):
    found = change(Totals(E1, 20, 10, 2), now)
    assert found is not None
    assert (what in found.what, bool(found.what), found.dead) == (True, bool(what), dead)


def test_what_is_newly_lost_is_told_once_and_what_turned_up_is_taken_back():
    first, second = gap(31, 50), gap(60, 69, E2)
    assert differences([], [first]) == [(first, 20)]
    assert differences([first], [second, first]) == [(second, 10)]
    assert differences([first], [gap(46, 50)]) == [(gap(46, 50), -15)]
    assert differences([first, second], [second]) == [(first, -20)]
    assert differences([first], [first]) == []
    assert remaining([first, second], [gap(46, 50)]) == [first]


# --- for real


class Arena:
    """A site with a drainer and what goes on beside it, each switched on by the test."""

    def __init__(self, valkey: Valkey, pair: Pair, site: str) -> None:
        self.valkey, self.pair = valkey, pair
        self.field = Field(valkey.url, pair.primary, site)
        self.field.create()
        self.producer = SyncBufferClient(valkey.url, site, limit=10**6)
        self.sent = 0

    @property
    def redis(self) -> redis.Redis:
        return self.field.redis

    @property
    def said(self) -> list[str]:
        return [text for text in self.field.heard.steps if not text.startswith("warning: Redis may lose")]

    def submit(self, count: int = 1) -> None:
        for _ in range(count):
            self.sent += 1
            self.producer.submit("/test", [Statement("effect.add", parameters={"key": "", "seq": self.sent})])

    @contextmanager
    def watched(self) -> Iterator[None]:
        settings = self.field.settings
        with Aside(settings, settings.site[0], self.valkey.url, self.pair.primary, self.field.heard.step):
            self.until(lambda: self.clients("buffer") >= 1)
            yield

    def clients(self, name: str) -> int:
        return sum(name in each["name"] for each in self.redis.client_list())

    def applied(self) -> int:
        return len(self.field.effects())

    def lost(self) -> int:
        return sum(each.count for each in self.field.ledger.gaps())

    def until(self, look: Callable[[], Any], within: float = 15.0) -> float:
        """Seconds that it took."""
        began = time.monotonic()
        while not look():
            assert time.monotonic() - began < within, self.field.heard.steps
            time.sleep(0.01)
        return time.monotonic() - began

    def close(self) -> None:
        self.producer.close()
        self.redis.close()


@pytest.fixture
def arena(own_valkey, pair, site) -> Iterator[Arena]:
    made = Arena(own_valkey, pair, site)
    yield made
    made.close()


@pytest.fixture
def drained(arena: Arena) -> Arena:
    """30 transactions are in the main database, and 20 more wait, with nobody at work."""
    arena.submit(30)
    with arena.field.draining():
        arena.until(lambda: arena.applied() == 30 and arena.field.is_empty())
    arena.submit(20)
    return arena


def seen(arena: Arena) -> bool:
    """The watch has looked twice from now on, so once with all that was before."""

    def looks() -> int:
        return int(arena.redis.info("commandstats").get("cmdstat_lrange", {"calls": 0})["calls"])

    before = looks()
    arena.until(lambda: looks() >= before + 2)
    return True


def test_an_emptied_redis_is_reported_with_its_exact_count_within_5_s_and_without_a_producer(drained):
    with drained.watched():
        assert seen(drained)
        drained.redis.flushall()
        took = drained.until(lambda: any("Redis lost 20 acknowledged" in text for text in drained.said))
        assert took < 5
        assert drained.lost() == 20
        drained.submit(5)
        with drained.field.draining():
            drained.until(lambda: drained.applied() == 35)
        seen(drained)
    assert drained.lost() == 20
    assert drained.applied() + drained.lost() == drained.sent
    assert sum("Redis lost" in text for text in drained.said) == 1


@pytest.mark.parametrize("saved", [30, 45])
def test_a_killed_redis_that_comes_back_with_less_is_reported_with_its_exact_count(arena, saved):
    arena.submit(30)
    with arena.field.draining():
        arena.until(lambda: arena.applied() == 30 and arena.field.is_empty())
    arena.submit(saved - 30)
    arena.redis.save()
    arena.submit(50 - saved)
    with arena.watched():
        assert seen(arena)
        arena.valkey.kill()
        arena.valkey.start()
        took = arena.until(lambda: any(f"Redis lost {50 - saved} acknowledged" in text for text in arena.said))
        assert took < 5
        with arena.field.draining():
            arena.until(lambda: arena.applied() == saved)
        arena.submit()
    assert arena.lost() == 50 - saved


def test_what_the_main_database_has_is_not_called_lost(arena):
    arena.submit(10)
    with arena.field.draining():
        arena.until(lambda: arena.applied() == 10 and arena.field.is_empty())
    with arena.watched():
        assert seen(arena)
        arena.redis.flushall()
        arena.until(lambda: any("no acknowledged transaction is lost" in text for text in arena.said))
    assert arena.lost() == 0


def test_a_redis_that_was_killed_and_kept_everything_is_no_news(drained):
    drained.redis.save()
    with drained.watched():
        assert seen(drained)
        drained.valkey.restart()
        assert seen(drained)
        with drained.field.draining():
            drained.until(lambda: drained.applied() == 50)
    assert drained.lost() == 0
    assert not [text for text in drained.said if "lost" in text or "emptied" in text]


def test_a_loss_while_the_main_database_is_away_is_counted_when_it_is_back(drained, pair):
    pair.cluster.primary.stop()
    with drained.watched():
        assert seen(drained)
        drained.redis.flushall()
        drained.until(lambda: any("Redis lost 20" in text for text in drained.said))
        pair.cluster.primary.start()
        assert seen(drained)
    assert drained.lost() == 20


class ByHand:
    """A watch that looks when it is told to, by a clock and a main database of the test's."""

    def __init__(self, arena: Arena) -> None:
        self.said: list[str] = []
        self.position: Position | None = Position("", 0)
        self.now = 0.0
        self._watch = Watch(
            arena.field.site,
            arena.redis,
            lambda: self.position,
            lambda text, **_: self.said.append(text),
            check_safety=False,
            clock=lambda: self.now,
        )
        self.look = self._watch.look


def test_what_a_drainer_still_brings_home_is_taken_back(arena):
    """It had them in hand when Redis was emptied, and commits them afterwards."""
    watch = ByHand(arena)
    arena.submit(10)
    watch.look()
    epoch = arena.field.ledger.totals().epoch
    arena.redis.flushall()
    watch.look()
    assert arena.lost() == 10
    watch.position = Position(epoch, 7)
    watch.look()
    assert arena.lost() == 10  # not at each look
    watch.now = 3
    watch.look()
    assert arena.lost() == 3
    assert watch.said[-1] == "7 transactions that were reported as lost with Redis are in the main database"


def test_what_was_drained_since_the_last_look_is_not_called_lost(arena):
    watch = ByHand(arena)
    arena.submit(10)
    watch.look()
    watch.position = Position(arena.field.ledger.totals().epoch, 7)
    arena.redis.flushall()
    watch.look()
    assert arena.lost() == 3
    assert len(watch.said) == 1


def test_a_gap_that_went_with_a_redis_emptied_again_is_not_called_found(arena):
    watch = ByHand(arena)
    for count in (10, 5):
        arena.submit(count)
        watch.look()
        watch.position = None
        arena.redis.flushall()
        watch.look()
    assert [text.split(" (")[0] for text in watch.said] == [
        "Redis lost 10 acknowledged transactions",
        "Redis lost 15 acknowledged transactions",  # the record of the first loss went too: this one has both
    ]


def test_dead_letters_that_went_with_redis_are_told(arena):
    arena.field.push(b"garbage", b"more garbage")
    with arena.field.draining():
        arena.until(lambda: arena.field.ledger.totals().dead == 2)
    arena.submit()
    with arena.watched():
        assert seen(arena)
        arena.redis.flushall()
        arena.until(lambda: any("2 dead letters are gone" in text for text in arena.said))


def test_a_danger_is_told_when_a_drainer_starts_and_again_when_redis_comes_back_with_it(arena):
    steps = arena.field.heard.steps
    with arena.watched():
        arena.until(lambda: sum("writes nothing to disk" in text for text in steps) == 1)
        seen(arena)
    assert len(steps) == 1


# --- silent: a link that stays up and carries nothing


@pytest.fixture
def link(own_valkey) -> Iterator[Link]:
    made = Link(f"{own_valkey.folder}/valkey.sock")
    yield made
    made.close()


def test_a_late_answer_is_never_taken_for_that_of_the_next_command(link, monkeypatch):
    monkeypatch.setattr("windlass_buffer.taking.ANSWER_SECONDS", 0.05)
    with connect(f"redis://127.0.0.1:{link.port}") as connection:

        def echo(word: str) -> bytes:
            return bytes(connection.execute_command("ECHO", word))

        for turn in range(20):
            assert echo(f"before {turn}") == f"before {turn}".encode()
            link.fall_silent()
            with pytest.raises(redis.TimeoutError):
                echo(f"late {turn}")
            link.speak()
            assert echo(f"after {turn}") == f"after {turn}".encode()


def test_a_drainer_whose_redis_falls_silent_loses_nothing_and_repeats_nothing(arena, pair, link, monkeypatch):
    monkeypatch.setattr("windlass_buffer.taking.ANSWER_SECONDS", 0.3)
    field = Field(f"redis://127.0.0.1:{link.port}", pair.primary, arena.field.site)
    settings, steps = field.settings, field.heard.steps
    with Aside(settings, settings.site[0], field.url, pair.primary, field.heard.step), field.draining():
        for turn in range(1, 4):
            arena.submit(40)
            link.fall_silent()
            arena.submit(10)
            arena.until(lambda turn=turn: sum("warning: Redis is away" in text for text in steps) == turn)
            link.speak()
            arena.until(lambda turn=turn: sum("Redis is back" in text for text in steps) == turn)
            arena.until(lambda turn=turn: arena.applied() == 50 * turn)
        arena.until(arena.field.is_empty)
    field.redis.close()
    assert [seq for _, seq in arena.field.effects()] == list(range(1, 151))
    assert arena.lost() == 0
