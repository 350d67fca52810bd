"""Health signals: each appears when it should, and does not when something small is otherwise."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from windlass.core import health
from windlass.core.health import signals
from windlass.core.signals import Severity, Signal, Thresholds
from windlass.core.vitals import (
    COUNT_CAP,
    KEPT_SECONDS,
    KindEnds,
    KindWaiting,
    LostNode,
    NodeVitals,
    PoolVitals,
    RunVitals,
    Samples,
    Vitals,
)
from windlass.store.statistics import Counts

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ALIVE = NodeVitals(live=2)
LIMITS = Thresholds()


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pool(**changes: Any) -> PoolVitals:
    fields: dict[str, Any] = {"name": "default", "slots": 4}
    return PoolVitals(**(fields | changes))


def due(age: float = 60.0, **changes: Any) -> KindWaiting:
    facts: dict[str, Any] = {"pool": "default", "kind": "Noop", "waiting": 1, "oldest_at": ago(age)}
    return KindWaiting(**(facts | {"is_paused": False, "able_nodes": 2} | changes))


def counts(kind: str = "Noop", pool: str = "default", **numbers: int) -> Counts:
    return Counts(pool, kind, **numbers)


def run(**changes: Any) -> RunVitals:
    facts: dict[str, Any] = {"task": 7, "pool": "default", "kind": "Noop", "node": "host/1", "started_at": ago(10)}
    facts |= {"last_word_at": ago(1), "interrupt_at": None, "run_limit": None, "is_resident": False, "patience": 30.0}
    return RunVitals(**(facts | changes))


def ends(**changes: Any) -> KindEnds:
    facts: dict[str, Any] = {"pool": "default", "kind": "Noop", "ended": 100, "failed": 0, "at_limit": 0, "streak": 0}
    times = {"streak_at": ago(50), "first_failed_at": ago(90), "last_failed_at": ago(5)}
    return KindEnds(**(facts | times | changes))


def vitals(now: datetime = NOW, nodes: NodeVitals = ALIVE, **facts: Any) -> Vitals:
    fields: dict[str, Any] = {"pools": (pool(),)}
    return Vitals(now, nodes, **(fields | facts))


def seen_before(*moments: Vitals) -> Samples:
    samples = Samples()
    for moment in moments:
        samples.add(moment)
    return samples


def found(now: Vitals, before: Sequence[Vitals] = (), limits: Thresholds = LIMITS) -> list[Signal]:
    return signals(now, seen_before(*before, now), limits)


def names(now: Vitals, before: Sequence[Vitals] = (), limits: Thresholds = LIMITS) -> list[str]:
    return [signal.name for signal in found(now, before, limits)]


def test_all_is_well_when_nothing_happens() -> None:
    assert found(vitals()) == []


# --- nodes


def test_no_live_node_is_critical_and_says_since_when() -> None:
    [signal] = found(vitals(nodes=NodeVitals(0, last_alive_at=ago(40))))
    assert (signal.name, signal.severity, signal.since) == ("no-live-node", Severity.CRITICAL, ago(40))
    assert signal.checks


def test_a_lost_node_is_named() -> None:
    lost = LostNode(3, "host/3", ago(20))
    [signal] = found(vitals(nodes=NodeVitals(1, lost=(lost,))))
    assert (signal.name, signal.severity, signal.subjects) == ("node-lost", Severity.WARNING, ("nodes/3",))
    assert "host/3" in signal.summary
    assert signal.since == ago(20)


# --- due work that nobody claims

WAITING = pool(waiting=3, oldest_at=ago(60))


@pytest.mark.parametrize(
    ("what", "now", "before"),
    [
        ("nothing is held, and it has been due for long", vitals(pools=(WAITING,), waiting=(due(),)), ()),
        (
            "some is held, but no claim was counted since",
            vitals(pools=(pool(waiting=3, held=1, in_use=1),), waiting=(due(),), counts=(counts(claimed=5),)),
            (vitals(ago(20), pools=(pool(waiting=1),), counts=(counts(claimed=5),)),),
        ),
    ],
)
def test_due_work_beside_free_slots_that_nobody_claims(what: str, now: Vitals, before: tuple[Vitals, ...]) -> None:
    [signal] = found(now, before)
    assert (signal.name, signal.severity) == ("idle-while-waiting", Severity.CRITICAL), what
    assert (signal.subjects, signal.since) == (("pools/default",), ago(60))
    assert "is a node alive" in signal.checks[0]


@pytest.mark.parametrize(
    ("what", "now", "before"),
    [
        ("it is due since a moment ago", vitals(pools=(WAITING,), waiting=(due(5.0),)), ()),
        ("one look says little", vitals(pools=(WAITING,), waiting=(due(20.0),)), ()),
        ("one look, and something is held", vitals(pools=(pool(waiting=3, held=1),), waiting=(due(),)), ()),
        ("all slots are taken", vitals(pools=(pool(waiting=3, in_use=4, held=4),), waiting=(due(),)), ()),
        (
            "all slots are taken, by what runs for long",
            vitals(pools=(pool(waiting=3, in_use=4, held=4),), waiting=(due(),), counts=(counts(claimed=5),)),
            (vitals(ago(20), pools=(pool(waiting=1),), counts=(counts(claimed=5),)),),
        ),
        ("the pool is paused", vitals(pools=(pool(waiting=3, paused_by="ada"),), waiting=(due(),)), ()),
        ("the kind is paused", vitals(pools=(WAITING,), waiting=(due(is_paused=True),)), ()),
        (
            "somebody claims",
            vitals(pools=(WAITING,), waiting=(due(),), counts=(counts(claimed=6),)),
            (vitals(ago(20), pools=(pool(waiting=1),), counts=(counts(claimed=5),)),),
        ),
        (
            "a moment ago nothing waited: it was just taken back from a lost node",
            vitals(pools=(WAITING,), waiting=(due(),)),
            (vitals(ago(20)),),
        ),
    ],
)
def test_due_work_is_no_sign_when(what: str, now: Vitals, before: tuple[Vitals, ...]) -> None:
    assert names(now, before) == [], what


def test_a_kind_that_no_live_node_has() -> None:
    [signal] = found(vitals(pools=(WAITING,), waiting=(due(able_nodes=0),)))
    assert (signal.name, signal.severity) == ("kind-without-node", Severity.WARNING)
    assert signal.subjects == ("kinds/Noop", "pools/default")
    assert names(vitals(pools=(WAITING,), waiting=(due(5.0, able_nodes=0),))) == []
    assert names(vitals(pools=(WAITING,), waiting=(due(able_nodes=0, is_paused=True),))) == []
    nobody = vitals(nodes=NodeVitals(0), pools=(WAITING,), waiting=(due(able_nodes=0),))
    assert names(nobody) == ["no-live-node"], "no kind has a node then"


def test_work_is_due_and_every_live_node_is_drained() -> None:
    drained, one_left = NodeVitals(2, draining=2), NodeVitals(2, draining=1)
    [signal] = found(vitals(nodes=drained, pools=(WAITING,), waiting=(due(able_nodes=0),)))
    assert (signal.name, signal.severity, signal.since) == ("all-nodes-drained", Severity.WARNING, ago(60))
    assert signal.subjects == ("pools/default",)
    assert names(vitals(nodes=drained)) == [], "nothing is due"
    assert names(vitals(nodes=drained, pools=(pool(waiting=3, paused_by="ada"),))) == []
    assert names(vitals(nodes=one_left, pools=(WAITING,), waiting=(due(5.0),))) == []


# --- the backlog


def deep(seconds: float, waiting: int, **changes: Any) -> Vitals:
    """A moment with a backlog that is being worked on."""
    claimed = (counts(claimed=int(10_000_000 - seconds)),)
    busy = {"waiting": waiting, "in_use": 4, "held": 4}
    facts: dict[str, Any] = {"pools": (pool(**(busy | changes)),), "waiting": (due(),), "counts": claimed}
    return vitals(ago(seconds), **facts)


def history(waiting: int, until: int = 400, every: int = 20) -> list[Vitals]:
    return [deep(seconds, waiting) for seconds in range(until, 0, -every)]


def test_a_backlog_that_does_not_shrink() -> None:
    [signal] = found(deep(0, 500), history(500))
    assert (signal.name, signal.severity) == ("backlog-does-not-shrink", Severity.WARNING)
    assert (signal.subjects, signal.since) == (("pools/default",), ago(400))
    assert names(deep(0, 900), history(500)) == ["backlog-does-not-shrink"], "it grows"


@pytest.mark.parametrize(
    ("what", "now", "before"),
    [
        ("it shrinks", deep(0, 499), history(500)),
        ("it is there for a short time", deep(0, 500), history(500, until=200)),
        ("it is small", deep(0, 50), history(50)),
        ("it was away in between", deep(0, 500), [*history(500), deep(10, 0)]),
        ("nobody looked in between", deep(0, 500), [deep(400, 500), deep(10, 500)]),
        ("the pool is paused", deep(0, 500, paused_by="ada"), history(500)),
        ("its kinds are paused", msgspec.structs.replace(deep(0, 500), waiting=(due(is_paused=True),)), history(500)),
        ("nobody has looked before", deep(0, 500), []),
    ],
)
def test_a_backlog_is_no_sign_when(what: str, now: Vitals, before: list[Vitals]) -> None:
    assert names(now, before) == [], what


def test_a_backlog_beyond_what_is_counted_shrinks_when_more_is_taken_than_comes() -> None:
    def moment(seconds: float, claimed: int, enqueued: int) -> Vitals:
        numbers = counts(claimed=claimed, enqueued=enqueued)
        return msgspec.structs.replace(deep(seconds, COUNT_CAP + 1), counts=(numbers,))

    before = [moment(seconds, 1_000, 1_000) for seconds in range(400, 300, -20)]
    before += [moment(seconds, 2_000, 2_000) for seconds in range(300, 0, -20)]
    assert names(moment(0, 3_000, 2_500), before) == []
    assert names(moment(0, 2_500, 3_000), before) == ["backlog-does-not-shrink"]


# --- stuck


@pytest.mark.parametrize(
    ("what", "stuck", "severity"),
    [
        ("beyond its deadline", run(started_at=ago(200), run_limit=100.0), Severity.CRITICAL),
        ("silent for long", run(started_at=ago(9_000), last_word_at=ago(4_000)), Severity.WARNING),
    ],
)
def test_a_task_that_is_stuck_running(what: str, stuck: RunVitals, severity: Severity) -> None:
    [signal] = found(vitals(runs=(stuck, run(task=8))))
    assert (signal.name, signal.severity, signal.subjects) == ("stuck-running", severity, ("tasks/7",)), what
    assert "Noop" in signal.checks[0]
    assert "restart" in signal.checks[-1]


@pytest.mark.parametrize(
    ("what", "fine"),
    [
        ("it says something now and then", run(started_at=ago(90_000), last_word_at=ago(60))),
        ("its ladder is being climbed", run(started_at=ago(130), run_limit=100.0)),
        ("it is within its deadline", run(started_at=ago(3_000), run_limit=3_600.0)),
        ("it is a resident", run(started_at=ago(90_000), last_word_at=ago(90_000), is_resident=True)),
        ("it is a resident with a deadline", run(started_at=ago(90_000), run_limit=1.0, is_resident=True)),
    ],
)
def test_a_task_runs_as_it_should_when(what: str, fine: RunVitals) -> None:
    assert names(vitals(runs=(fine,))) == [], what


def test_an_interrupted_task_that_does_not_end() -> None:
    stuck = run(interrupt_at=ago(100), patience=60.0)
    [signal] = found(vitals(runs=(stuck,)))
    assert (signal.name, signal.severity, signal.since) == ("stuck-cancelling", Severity.CRITICAL, ago(100))
    assert names(vitals(runs=(run(interrupt_at=ago(80), patience=60.0),))) == [], "its kind may take as long"
    assert names(vitals(runs=(run(interrupt_at=ago(100), patience=60.0, is_resident=True),))) == ["stuck-cancelling"]


# --- failures


def test_tasks_that_often_use_up_their_attempts() -> None:
    [signal] = found(vitals(ends=(ends(failed=5, at_limit=3),)))
    assert (signal.name, signal.severity, signal.subjects) == ("often-at-the-limit", Severity.WARNING, ("kinds/Noop",))
    assert "the log of kind Noop" in signal.checks[0]
    assert names(vitals(ends=(ends(failed=5, at_limit=2),))) == []


def test_many_that_failed() -> None:
    told = (ends(ended=70, failed=14), ends(kind="Echo", ended=30, failed=6))
    [signal] = found(vitals(ends=told))
    assert (signal.name, signal.subjects, signal.since) == ("many-failed", ("kinds/Noop", "kinds/Echo"), ago(90))
    assert signal.summary.startswith("20 of the 100 tasks")
    assert names(vitals(ends=(ends(ended=100, failed=19),))) == [], "less than a fifth"
    assert names(vitals(ends=(ends(ended=20, failed=9),))) == [], "few"


def test_many_that_failed_are_seen_where_their_ends_are_soon_gone() -> None:
    good = (ends(ended=1_000, failed=0),)
    before = vitals(ago(100), counts=(counts(failed=10, succeeded=100),))
    now = vitals(ends=good, counts=(counts(failed=60, succeeded=150),))
    [signal] = found(now, [before])
    assert (signal.name, signal.since) == ("many-failed", ago(100))
    assert names(msgspec.structs.replace(now, at=ago(50)), [before]) == [], "what was counted for 50 s says little"
    assert names(vitals(ends=good, counts=(counts(failed=20, succeeded=900),)), [before]) == []


def test_a_kind_that_keeps_failing() -> None:
    [signal] = found(vitals(ends=(ends(ended=50, failed=5, streak=5),)))
    assert (signal.name, signal.subjects, signal.since) == ("kind-keeps-failing", ("kinds/Noop",), ago(50))
    assert "the last 5 tasks" in signal.summary
    assert names(vitals(ends=(ends(ended=50, failed=5, streak=4),))) == []


def test_a_kind_whose_attempts_all_fail_is_seen_before_its_first_task_is_over() -> None:
    before = vitals(ago(100), counts=(counts(retried=1, succeeded=7),))
    now = vitals(counts=(counts(retried=6, succeeded=7),))
    [signal] = found(now, [before])
    assert (signal.name, signal.since) == ("kind-keeps-failing", ago(100))
    assert names(vitals(counts=(counts(retried=5, succeeded=7),)), [before]) == [], "four"
    assert names(vitals(counts=(counts(retried=60, succeeded=8),)), [before]) == [], "one succeeded"


def test_a_success_that_was_counted_ends_a_streak_of_old_ends() -> None:
    before = vitals(ago(100), counts=(counts(failed=9, succeeded=1),))
    now = vitals(ends=(ends(ended=50, failed=9, streak=9),), counts=(counts(failed=9, succeeded=2),))
    assert names(now, [before]) == []


# --- all of them


def test_the_worst_comes_first() -> None:
    everything = vitals(
        nodes=NodeVitals(1, lost=(LostNode(3, "host/3", ago(20)),)),
        pools=(WAITING,),
        waiting=(due(),),
        runs=(run(interrupt_at=ago(100)), run(task=9, started_at=ago(9_000), last_word_at=ago(9_000))),
        ends=(ends(ended=20, failed=15, at_limit=5, streak=15),),
    )
    assert names(everything) == [
        "idle-while-waiting",
        "stuck-cancelling",
        "kind-keeps-failing",
        "many-failed",
        "node-lost",
        "often-at-the-limit",
        "stuck-running",
    ]


def test_what_is_of_a_pool_that_is_not_shown_is_left_alone() -> None:
    other = counts(pool="feeds", retried=1), counts(pool="feeds", retried=90)
    before, now = vitals(ago(100), counts=(other[0],)), vitals(counts=(other[1],))
    assert names(now, [before]) == []
    shown = msgspec.structs.replace(now, pools=(pool(name="feeds"),))
    assert names(shown, [before]) == ["kind-keeps-failing"]


@pytest.mark.parametrize(
    ("limits", "now"),
    [
        ({"silent": 10.0}, vitals(runs=(run(last_word_at=ago(11)),))),
        ({"overdue": 1.0}, vitals(runs=(run(run_limit=5.0),))),
        ({"cancelling": 1.0}, vitals(runs=(run(interrupt_at=ago(32)),))),
        ({"idle": 1.0}, vitals(pools=(WAITING,), waiting=(due(3.0),))),
        ({"at_limit": 1}, vitals(ends=(ends(failed=1, at_limit=1),))),
        ({"failed": 1, "failed_share": 0.01}, vitals(ends=(ends(failed=1),))),
        ({"in_a_row": 1}, vitals(ends=(ends(failed=1, streak=1),))),
    ],
)
def test_thresholds_can_be_changed(limits: dict[str, Any], now: Vitals) -> None:
    assert names(now) == []
    assert len(names(now, limits=Thresholds(**limits))) == 1


# --- samples


def test_samples_are_kept_one_for_ten_seconds_and_for_a_quarter_of_an_hour() -> None:
    samples = seen_before(*(vitals(ago(seconds)) for seconds in range(1_000, -1, -1)))
    kept = [(NOW - sample.at).total_seconds() for sample in samples.newest_first()]
    assert kept == list(range(0, 901, 10))
    assert kept[-1] <= KEPT_SECONDS
    before = samples.before(NOW, 15.0)
    assert before is not None
    assert before.at == ago(20)
    assert samples.before(NOW, 1_000.0) is None


def test_after_a_gap_or_a_step_back_of_the_clock_samples_begin_anew() -> None:
    for moments in ([ago(200), ago(190), ago(60)], [ago(20), ago(10), ago(60)]):
        samples = seen_before(*map(vitals, moments))
        assert [sample.at for sample in samples.newest_first()] == [ago(60)]


def test_every_signal_stands_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text()
    told = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    source = inspect.getsource(health)
    assert told == set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', source))
