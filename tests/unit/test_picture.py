"""The picture: its words, when it is idle, and what somebody sees of it who may reach some pools only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from windlass.core.lifecycle import State
from windlass.core.signals import Thresholds
from windlass.core.vitals import COUNT_CAP, KindEnds, KindWaiting, NodeVitals, PoolVitals, Samples
from windlass.host.picture import Facts, Picture, draw, summary, within
from windlass.host.sections import SectionFacts
from windlass.store.facts import TaskFacts
from windlass.store.lanes import LaneFacts
from windlass.store.statistics import Counts
from windlass.store.survey import LISTED_EACH, CoalescingFacts, Executing, PooledStanding

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MINE = frozenset({"mine"})


def pool(name: str = "mine", **changes: int) -> PoolVitals:
    return PoolVitals(**({"name": name, "slots": 4} | changes))  # type: ignore[arg-type]


def executing(task: int, of: str = "mine", **changes: Any) -> Executing:
    values: dict[str, Any] = dict.fromkeys(TaskFacts.__struct_fields__)
    values |= {"id": task, "kind": "Noop", "pool": of, "state": State.RUNNING, "started_at": NOW, "node": "host/1"}
    return Executing(TaskFacts(**values), *({"a": None, "b": None, "c": NOW, "d": False} | changes).values())


def coalescing(task: int, of: str = "mine", of_pool: int = 1) -> CoalescingFacts:
    return CoalescingFacts(task, "Noop", f"k{task}", "", of, State.PENDING, NOW, 0, of_pool)


def standing(task: int, of: str = "mine") -> PooledStanding:
    return PooledStanding(task, 1, "host/1", NOW, of)


def facts(**changes: Any) -> Facts:
    fields: dict[str, Any] = {"now": NOW, "nodes": NodeVitals(1)}
    return Facts(**(fields | changes))


def drawn(of: Facts) -> Picture:
    return draw(of, Samples(), lambda _: 30.0, Thresholds())


@pytest.mark.parametrize(
    ("pools", "words"),
    [
        ([], "nothing running, nothing pending"),
        ([pool()], "nothing running, nothing pending"),
        ([pool(in_use=3, held=3)], "3 running, nothing pending"),
        ([pool(in_use=3, held=3, waiting=12)], "3 running, 12 waiting"),
        ([pool(in_use=1, held=3, waiting=2)], "1 running, 4 waiting"),
        ([pool(deferred=4, blocked=2)], "nothing running, 4 not due yet, 2 blocked"),
        ([pool(in_use=1, held=1), pool("other", in_use=2, held=2, waiting=1_500)], "3 running, 1,500 waiting"),
        ([pool(waiting=COUNT_CAP + 1)], "nothing running, more than 10,000 waiting"),
    ],
)
def test_the_summary_says_it_in_words(pools: list[PoolVitals], words: str) -> None:
    assert summary(pools) == words


@pytest.mark.parametrize("place", ["held", "waiting", "deferred", "blocked"])
def test_it_is_idle_only_when_nothing_runs_and_nothing_is_pending(place: str) -> None:
    assert drawn(facts(pools=(pool(),))).is_idle
    assert not drawn(facts(pools=(pool(), pool("other", **{place: 1})))).is_idle


def test_numbers_are_those_of_all_pools() -> None:
    pools = (pool(in_use=1, held=2, deferred=3, blocked=4), pool("other", in_use=10, held=10, deferred=30, blocked=40))
    counts = (Counts("mine", "A", enqueued=1, lost=2), Counts("other", "B", enqueued=10), Counts("", "", lost=5))
    keyed = (coalescing(1, of_pool=7), coalescing(2, of_pool=7), coalescing(3, "other", of_pool=20))
    picture = drawn(facts(pools=pools, counts=counts, coalescing=keyed))
    assert (picture.active_count, picture.deferred, picture.blocked, picture.live_nodes) == (11, 33, 44, 1)
    assert (picture.counts.enqueued, picture.counts.lost, picture.coalescing_count) == (11, 7, 27)


def test_lists_are_bounded() -> None:
    many = range(1, LISTED_EACH + 50)
    picture = drawn(facts(executing=tuple(map(executing, many)), coalescing=tuple(map(coalescing, many))))
    assert [task.id for task in picture.active] == list(range(1, LISTED_EACH + 1))
    assert [one.task for one in picture.coalescing] == list(range(1, LISTED_EACH + 1))


def test_somebody_with_some_pools_sees_what_is_of_them_and_nothing_else() -> None:
    whole = facts(
        pools=(pool(in_use=1, held=1), pool("other", in_use=5, held=5, waiting=9)),
        executing=(executing(1), executing(2, "other")),
        coalescing=(coalescing(3), coalescing(4, "other", of_pool=8)),
        lanes=(LaneFacts("theirs", 1, standing(2, "other"), ()), LaneFacts("ours", 1, standing(1), ())),
        waiting=(KindWaiting("other", "Noop", 9, NOW, False, 0),),
        counts=(Counts("mine", "A", enqueued=1), Counts("other", "A", enqueued=10), Counts("", "", lost=5)),
        sections=(SectionFacts("plugin", "Plugin"),),
    )
    picture = drawn(within(whole, MINE))
    assert [one.name for one in picture.pools] == ["mine"]
    assert [task.id for task in picture.active] == [1]
    assert [one.task for one in picture.coalescing] == [3]
    assert [one.name for one in picture.lanes] == ["ours"]
    assert (picture.active_count, picture.coalescing_count, picture.summary) == (1, 1, "1 running, nothing pending")
    assert (picture.counts.enqueued, picture.counts.lost, picture.sections) == (1, 0, ())
    assert "other" not in repr(picture)


def test_signals_are_those_of_the_pools_that_are_seen() -> None:
    old = NOW.replace(year=2029)
    waiting = tuple(KindWaiting(name, "Noop", 1, old, False, 1) for name in ("mine", "other"))
    failing = KindEnds("other", "Bad", 9, 9, 9, 9, NOW, NOW, NOW)
    whole = facts(pools=(pool(waiting=1), pool("other", waiting=1)), waiting=waiting, ends=(failing,))
    idle = [one.subjects for one in drawn(whole).signals if one.name == "idle-while-waiting"]
    assert idle == [("pools/mine",), ("pools/other",)]
    assert "kind-keeps-failing" in [one.name for one in drawn(whole).signals]
    assert [one.subjects for one in drawn(within(whole, MINE)).signals] == [("pools/mine",)]
    assert not drawn(within(whole, frozenset({"none"}))).signals
    assert [one.pool for one in within(whole, MINE).waiting] == ["mine"]


def test_a_lane_that_another_pool_holds_is_not_free_and_its_holder_has_no_name() -> None:
    lane = LaneFacts("pages", 3, standing(2, "other"), (standing(4, "other"), standing(5)))
    [seen] = within(facts(lanes=(lane,)), MINE).lanes
    assert [one.task for one in seen.waiters] == [5]
    assert seen.holder is not None
    assert (seen.holder.task, seen.holder.node, seen.holder.since) == (0, None, NOW)
