"""The Survey: what stands where, in bounded reads, and the same from both stores."""

from __future__ import annotations

import msgspec
import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.core.vitals import COUNT_CAP, KindEnds, KindWaiting, NodeVitals, PoolVitals
from windlass.store.facts import Claimed, Line, Progress
from windlass.store.lanes import Entrant
from windlass.store.pools import KindFacts
from windlass.store.port import Store
from windlass.store.residents import ResidentTask
from windlass.store.statistics import Counts
from windlass.store.survey import LISTED_EACH

from tests.contract.facts import (
    ask,
    claim,
    ended,
    expire,
    held,
    leader,
    new_task,
    node_of,
    put,
    running,
    said,
    stored,
)

HOUR = 3_600.0


@pytest.fixture
async def node(store: Store) -> int:
    return await node_of(store)


async def pool(store: Store, name: str = "default") -> PoolVitals:
    [found] = [one for one in (await store.survey.depths()).pools if one.name == name]
    return found


async def over(store: Store, node: int, *verdicts: Verdict, **changes: object) -> None:
    """Tasks that have ended like that, one after the other."""
    for verdict in verdicts:
        claimed = await running(store, node, **changes)
        await store.queue.finish(node, [ended(claimed, verdict)])


async def executing(store: Store, quiet: float = HOUR) -> list[int]:
    return [one.task.id for one in await store.survey.executing(quiet)]


# --- depths


async def test_an_empty_store_has_no_pools_but_a_time(store: Store) -> None:
    first, second = await store.survey.depths(), await store.survey.depths()
    assert first.pools == second.pools == ()
    assert first.time < second.time


async def test_every_place_is_counted_by_pool(store: Store, node: int) -> None:
    await store.pools.register({"default": 4, "empty": 2}, [])
    await running(store, node)
    await held(store, node)
    await stored(store, 3)
    await stored(store, 2, delay=HOUR)
    [first] = await stored(store, pool="feeds")
    await stored(store, pool="feeds", after=(first,))
    found = {one.name: one for one in (await store.survey.depths()).pools}
    assert list(found) == ["default", "empty", "feeds"]
    assert found["empty"] == PoolVitals("empty", 2)
    default, feeds = found["default"], found["feeds"]
    assert (default.slots, default.in_use, default.held, default.waiting, default.deferred) == (4, 1, 2, 3, 2)
    assert (feeds.slots, feeds.waiting, feeds.blocked) == (0, 1, 1), "it is shown although nobody registered it"


async def test_the_oldest_is_the_first_that_became_due_whatever_its_priority(store: Store) -> None:
    await stored(store, priority=0)
    oldest = (await pool(store)).oldest_at
    await stored(store, 2, priority=90)
    depths = await store.survey.depths()
    assert oldest is not None
    assert depths.pools[0].oldest_at == oldest < depths.time


async def test_a_pause_is_shown_with_who_and_why_and_when(store: Store) -> None:
    await store.pools.register({"default": 4}, [])
    await store.pools.pause_pool("default", "ada", "a move")
    paused = await pool(store)
    assert (paused.is_paused, paused.paused_by, paused.pause_reason) == (True, "ada", "a move")
    assert paused.paused_at is not None
    await store.pools.resume_pool("default")
    assert await pool(store) == PoolVitals("default", 4)


async def test_counts_stop_at_the_cap(store: Store) -> None:
    for _ in range(6):
        await store.queue.enqueue([new_task()] * 2_000)
        await store.queue.enqueue([new_task(delay=HOUR)] * 2_000)
    deep = await pool(store)
    assert (deep.waiting, deep.deferred, deep.is_more) == (COUNT_CAP + 1, COUNT_CAP + 1, True)


# --- what executes


async def test_what_executes_comes_the_first_started_first_and_what_is_only_claimed_not(
    store: Store, node: int
) -> None:
    first, second = await held(store, node), await held(store, node)
    await held(store, node)
    await store.queue.say(node, [said(first, started_age=5.0), said(second, started_age=50.0)])
    assert await executing(store) == [second.id, first.id]


async def test_a_task_that_executes_shows_what_the_panel_needs(store: Store, node: int) -> None:
    claimed = await held(store, node, title="feeds", trigger="operator")
    await store.queue.say(node, [said(claimed, stage="planning", progress=Progress(1, 0.0, 2, 5))])
    [found] = await store.survey.executing(HOUR)
    task = found.task
    assert (task.title, task.kind, task.trigger, task.stage) == ("feeds", "Noop", "operator", "planning")
    assert (task.progress_current, task.progress_total, task.node, task.state) == (2, 5, "host/1", State.RUNNING)
    assert (task.payload, task.result, found.interrupt_at, found.is_resident) == (None, None, None, False)
    assert task.started_at is not None


async def test_an_interrupt_is_shown_with_its_time_also_before_the_start(store: Store, node: int) -> None:
    started, claimed = await running(store, node), await held(store, node)
    for task in (started, claimed):
        await ask(store, task.id)
    found = await store.survey.executing(HOUR)
    assert {one.task.id for one in found} == {started.id, claimed.id}
    assert {one.task.state for one in found} == {State.CANCELLING}
    assert all(one.interrupt_at is not None for one in found)


async def test_the_run_limit_is_the_tasks_own_or_its_kinds(store: Store, node: int) -> None:
    await store.pools.register({}, [KindFacts("Noop", "default", 10, 30.0, run_limit=60.0)])
    await running(store, node)
    await running(store, node, run_limit=7.0)
    await running(store, node, kind="Noop")
    assert sorted(one.run_limit or 0 for one in await store.survey.executing(HOUR)) == [7.0, 60.0, 60.0]


async def test_the_last_word_of_what_runs_for_long_is_looked_up(store: Store, node: int) -> None:
    claimed = await held(store, node)
    line = Line(claimed.attempt * 10_000_000 + 1, 20.0, 3, "hi")
    await store.queue.say(node, [said(claimed, started_age=100.0, lines=(line,))])
    now = (await store.survey.depths()).time
    [looked], [not_looked] = await store.survey.executing(50.0), await store.survey.executing(200.0)
    assert looked.last_word_at is not None
    assert not_looked.last_word_at is not None
    assert 15.0 < (now - looked.last_word_at).total_seconds() < 25.0
    assert (now - not_looked.last_word_at).total_seconds() > 95.0


async def test_progress_is_a_word_too(store: Store, node: int) -> None:
    claimed = await held(store, node)
    await store.queue.say(node, [said(claimed, started_age=100.0, progress=Progress(1, 10.0, 2, None))])
    now = (await store.survey.depths()).time
    [found] = await store.survey.executing(HOUR)
    assert found.last_word_at is not None
    assert 5.0 < (now - found.last_word_at).total_seconds() < 15.0


async def test_a_resident_is_told_apart(store: Store, node: int) -> None:
    leading = await leader(store, node)
    [receipt] = await store.residents.keep(leading, [ResidentTask("main", new_task())])
    [claimed] = await claim(store, node)
    await store.queue.say(node, [said(claimed)])
    usual = await running(store, node)
    found = {one.task.id: one.is_resident for one in await store.survey.executing(HOUR)}
    assert found == {receipt.task: True, usual.id: False}


async def test_a_busy_pool_does_not_hide_another(store: Store, node: int) -> None:
    await stored(store, LISTED_EACH + 5)
    many = await claim(store, node)
    await store.queue.say(node, [said(one, started_age=9.0) for one in many])
    [last] = await stored(store, pool="feeds")
    [claimed] = await claim(store, node, pool="feeds")
    await store.queue.say(node, [said(claimed)])
    found = await executing(store)
    assert len(found) == LISTED_EACH + 1
    assert last in found


# --- coalescing


async def test_what_others_may_join_is_listed_wherever_it_stands(store: Store, node: int) -> None:
    started = await running(store, node, coalesce_key="a", title="entities")
    claimed = await held(store, node, coalesce_key="d")
    behind = (await put(store, "a")).task
    due, later = (await put(store, "b")).task, (await put(store, "c", delay=HOUR, pool="feeds")).task
    await put(store, "b")
    await put(store, "b")
    await stored(store)
    found = {one.task: one for one in await store.survey.coalescing()}
    assert list(found) == [started.id, claimed.id, behind, due, later]
    assert [one.joined for one in found.values()] == [0, 0, 0, 2, 0]
    assert [one.state for one in found.values()] == [State.RUNNING, *[State.PENDING] * 4]
    assert [one.of_pool for one in found.values()] == [4, 4, 4, 4, 1]
    first = found[started.id]
    assert (first.kind, first.key, first.title, first.pool) == ("Noop", "a", "entities", "default")


async def test_of_each_pool_the_oldest_are_listed_and_all_are_counted(store: Store) -> None:
    for n in range(LISTED_EACH + 3):
        await put(store, f"{1000 - n}")
    await put(store, "k", pool="feeds")
    found = await store.survey.coalescing()
    default = [one for one in found if one.pool == "default"]
    assert [one.key for one in default] == [f"{1000 - n}" for n in range(LISTED_EACH)]
    assert {one.of_pool for one in default} == {LISTED_EACH + 3}
    assert len(found) == LISTED_EACH + 1


# --- lanes


def entrant(claimed: Claimed, node: int, lane: str = "pages") -> Entrant:
    return Entrant(lane, claimed.id, claimed.attempt, node)


async def test_only_lanes_with_somebody_in_them_are_busy(store: Store, node: int) -> None:
    inside, next_one = await running(store, node), await running(store, node)
    for who in (inside, next_one):
        await store.lanes.enter(entrant(who, node))
    await store.lanes.enter(entrant(inside, node, "left"))
    await store.lanes.leave(entrant(inside, node, "left"))
    [lane] = await store.survey.busy_lanes()
    assert (lane.name, lane.fence) == ("pages", 1)
    assert lane.holder is not None
    assert (lane.holder.task, lane.holder.pool) == (inside.id, "default")  # type: ignore[attr-defined]
    assert [one.task for one in lane.waiters] == [next_one.id]


async def test_who_no_longer_runs_keeps_no_lane_busy(store: Store, node: int) -> None:
    inside, waiting = await running(store, node), await running(store, node)
    for who in (inside, waiting):
        await store.lanes.enter(entrant(who, node))
    await store.queue.finish(node, [ended(inside)])
    [lane] = await store.survey.busy_lanes()
    assert lane.holder is None
    assert [one.task for one in lane.waiters] == [waiting.id]
    await store.queue.finish(node, [ended(waiting)])
    assert await store.survey.busy_lanes() == []


# --- which kinds wait


async def test_waiting_kinds_say_who_could_run_them(store: Store, node: int) -> None:
    await store.pools.register({}, [KindFacts("Paused", "default", 10, 30.0)])
    await store.pools.pause_kind("Paused", "ada", "")
    for kind in ("Noop", "Noop", "Paused", "Unknown"):
        await stored(store, kind=kind)
    await stored(store, pool="feeds")
    found = [msgspec.structs.replace(one, oldest_at=None) for one in await store.survey.waiting_kinds()]
    assert found == [
        KindWaiting("default", "Noop", 2, None, False, 1),  # type: ignore[arg-type]
        KindWaiting("default", "Paused", 1, None, True, 0),  # type: ignore[arg-type]
        KindWaiting("default", "Unknown", 1, None, False, 0),  # type: ignore[arg-type]
        KindWaiting("feeds", "Noop", 1, None, False, 1),  # type: ignore[arg-type]
    ]
    another = await node_of(store)
    assert {one.able_nodes for one in await store.survey.waiting_kinds() if one.kind == "Noop"} == {2}
    await store.cluster.drain(another, draining=True)
    assert (await store.survey.nodes(HOUR)).draining == 1
    assert {one.able_nodes for one in await store.survey.waiting_kinds() if one.kind == "Noop"} == {1}
    await store.cluster.leave(node)
    assert {one.able_nodes for one in await store.survey.waiting_kinds()} == {0}
    assert (await store.survey.nodes(HOUR)).all_drained


# --- ends


def numbers(ends: KindEnds) -> tuple[int, int, int, int]:
    return ends.ended, ends.failed, ends.at_limit, ends.streak


async def test_ends_are_told_by_pool_and_kind(store: Store, node: int) -> None:
    good, bad = Verdict.SUCCESS, Verdict.FAILED
    await over(store, node, bad, good, bad, bad)
    [ends] = await store.survey.ends(HOUR)
    assert (ends.pool, ends.kind, *numbers(ends)) == ("default", "Noop", 4, 3, 0, 2)
    assert ends.first_failed_at is not None
    assert ends.streak_at is not None
    assert ends.last_failed_at is not None
    assert ends.first_failed_at < ends.streak_at < ends.last_failed_at


async def test_a_success_ends_the_streak_and_a_canceled_task_says_nothing(store: Store, node: int) -> None:
    await over(store, node, Verdict.FAILED, Verdict.CANCELED, Verdict.FAILED)
    assert [numbers(one) for one in await store.survey.ends(HOUR)] == [(2, 2, 0, 2)]
    await over(store, node, Verdict.SUCCESS)
    [ends] = await store.survey.ends(HOUR)
    assert (numbers(ends), ends.streak_at) == ((3, 2, 0, 0), None)


async def test_the_limit_is_reached_by_the_last_of_several_attempts_only(store: Store, node: int) -> None:
    await over(store, node, Verdict.FAILED, attempt_limit=1)
    for limit in (2, 3):
        for verdict in (Verdict.RETRY, Verdict.FAILED):
            if verdict is Verdict.RETRY:
                await stored(store, attempt_limit=limit)
            [claimed] = await claim(store, node)
            await store.queue.finish(node, [ended(claimed, verdict)])
    [ends] = await store.survey.ends(HOUR)
    assert ends.failed == 3
    assert ends.at_limit == 1, "one had only one attempt, and one had an attempt left"


async def test_ends_before_the_window_are_forgotten(store: Store, node: int) -> None:
    await over(store, node, Verdict.FAILED)
    assert await store.survey.ends(0.0) == []


# --- nodes


async def test_live_nodes_are_counted_and_lost_ones_named(store: Store) -> None:
    assert (await store.survey.nodes(HOUR)).live == 0
    staying, leaving, silent, dead = [await node_of(store, name=f"host/{n}", pid=n) for n in range(4)]
    assert await store.survey.nodes(HOUR) == NodeVitals(4)
    await store.cluster.leave(leaving)
    expire(store, silent)
    await store.cluster.recover(dead)
    found = await store.survey.nodes(HOUR)
    assert (found.live, found.last_alive_at) == (1, None)
    assert [(one.id, one.name) for one in found.lost] == [(dead, "host/3"), (silent, "host/2")]
    assert (await store.survey.nodes(0.0)).lost == ()
    await store.cluster.leave(staying)
    gone = await store.survey.nodes(HOUR)
    assert gone.live == 0
    assert gone.last_alive_at is not None


async def test_a_lost_node_is_still_named_once_its_counts_are_merged(store: Store, node: int) -> None:
    leading = await leader(store, node)
    lost = await node_of(store, name="host/2")
    await store.statistics.flush(lost, [Counts("default", "Noop", enqueued=1)])
    expire(store, lost)
    assert await store.statistics.merge(leading) == 1
    assert [one.id for one in (await store.survey.nodes(HOUR)).lost] == [lost]
