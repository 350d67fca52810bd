"""The Schedules contract: what is put is read back, each tick is decided once, and the ledger tells of all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from windlass.core.schedules import Plan, Schedule, Tick, TickOutcome, due_ticks
from windlass.errors import InvalidArgument, ScheduleChanged, ScheduleExists, ScheduleNotFound
from windlass.store.facts import Membership, Receipt
from windlass.store.port import Store
from windlass.store.schedules import Firing, ScheduleFacts, TickFacts

from tests.contract.facts import LEASE, ask, claim, ended, expire, facts_of, leader, new_task, node_of
from tests.waiting import eventually

RAN, SKIPPED, BY_HAND = TickOutcome.RAN, TickOutcome.SKIPPED, TickOutcome.BY_HAND
NIGHTLY = Schedule(
    "nightly", "Noop", cron="30 2 * * *", zone="Europe/Berlin", payload={"i": [1, None]}, labels={"a": "b"}
)
OFTEN = Schedule("often", "Noop", interval=3600.0)


def planned(facts: ScheduleFacts, *outcomes: TickOutcome, first: int = 1) -> Firing:
    """A firing of its next ticks, an hour apart, as if they were due."""
    every = timedelta(hours=1)
    ticks = [
        Tick(facts.created_at + every * n, outcome, "" if outcome is RAN else "as planned")
        for n, outcome in enumerate(outcomes, first)
    ]
    last = ticks[-1].due_at if ticks else facts.since
    tasks = [new_task(trigger="schedule", title=tick.due_at.isoformat()) for tick in ticks if tick.fires]
    return Firing(facts.schedule.name, facts.turn, Plan(tuple(ticks), last, last + every), tuple(tasks))


async def ledger(store: Store, name: str = "often") -> list[TickFacts]:
    """Oldest first."""
    return list(reversed((await store.schedules.ledger(name, 1_000)).items))


async def led(store: Store, **node: Any) -> Membership:
    return await leader(store, await node_of(store, **node))


# --- put, get, list, delete


async def test_what_is_put_is_what_is_read_back(store: Store, other: Store) -> None:
    put = await store.schedules.put(NIGHTLY, owner=None)
    assert (put.schedule, put.owner, put.revision, put.last_task, put.busy) == (NIGHTLY, None, 1, None, None)
    assert put.since == put.created_at == put.next_at, "planned at the next look, and nothing of before is due"
    assert await other.schedules.get("nightly") == put


async def test_a_schedule_nobody_made_is_not_found(store: Store) -> None:
    for call in (
        store.schedules.get("no"),
        store.schedules.delete("no", owner=None),
        store.schedules.pause("no", paused=True),
        store.schedules.put(Schedule("no", "Noop", interval=5.0), owner=None, revision=3),
        store.schedules.run_now("no", new_task(), "ada"),
    ):
        with pytest.raises(ScheduleNotFound, match="there is no schedule 'no'"):
            await call
    assert await claim(store, await node_of(store)) == [], "nothing of it was stored"
    assert (await store.schedules.list(10)).items == ()


async def test_a_change_raises_the_revision_and_one_from_an_older_read_is_refused(store: Store) -> None:
    first = await store.schedules.put(OFTEN, owner=None, revision=0)
    changed = Schedule("often", "Noop", interval=7200.0, title="later")
    second = await store.schedules.put(changed, owner=None, revision=first.revision)
    assert (second.schedule, second.revision, second.created_at) == (changed, 2, first.created_at)
    with pytest.raises(ScheduleExists):
        await store.schedules.put(OFTEN, owner=None, revision=0)
    for revision in (first.revision, 3):
        with pytest.raises(ScheduleChanged, match="stands at revision 2 by now"):
            await store.schedules.put(OFTEN, owner=None, revision=revision)
        with pytest.raises(ScheduleChanged):
            await store.schedules.delete("often", owner=None, revision=revision)
    assert (await store.schedules.get("often")).schedule == changed
    assert (await store.schedules.put(OFTEN, owner=None)).revision == 3, "who names no revision takes what is there"


async def test_other_times_settle_what_was_due_before_and_another_title_does_not(store: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    moved = planned(facts)
    past = facts.since - timedelta(days=1)
    moved = Firing(moved.name, moved.turn, Plan((), past, past))
    assert await store.schedules.fire(membership, moved) == ()
    titled = await store.schedules.put(Schedule("often", "Noop", interval=3600.0, title="new"), owner=None)
    assert titled.since == past
    timed = await store.schedules.put(Schedule("often", "Noop", interval=1800.0), owner=None)
    assert timed.since > facts.since


async def test_only_its_owner_changes_or_removes_a_schedule(store: Store) -> None:
    await store.schedules.put(OFTEN, owner="plug")
    await store.schedules.put(NIGHTLY, owner=None)
    for schedule, stranger, whose in (
        (OFTEN, None, "plugin plug"),
        (OFTEN, "other", "plugin plug"),
        (NIGHTLY, "plug", "an operator"),
    ):
        with pytest.raises(ScheduleChanged, match=f"belongs to {whose}; it can be paused, not changed"):
            await store.schedules.put(schedule, owner=stranger)
        with pytest.raises(ScheduleChanged, match=f"belongs to {whose}"):
            await store.schedules.delete(schedule.name, owner=stranger)
    await store.schedules.delete("often", owner="plug")
    with pytest.raises(ScheduleNotFound):
        await store.schedules.get("often")


async def test_schedules_are_listed_by_name_in_pages(store: Store) -> None:
    names = [f"s{n:02}" for n in range(7)]
    for name in reversed(names):
        await store.schedules.put(Schedule(name, "Noop", interval=5.0), owner=None)
    seen: list[str] = []
    after: tuple[Any, ...] | None = ("",)
    while after:
        page = await store.schedules.list(3, *after)
        seen += [facts.schedule.name for facts in page.items]
        after = page.after
    assert seen == names
    assert (await store.schedules.list(7)).after is None


# --- pause


async def test_a_pause_stays_through_changes_and_its_end_is_remembered(store: Store) -> None:
    await store.schedules.put(OFTEN, owner=None)
    paused = await store.schedules.pause("often", paused=True)
    assert paused.schedule.paused
    changed = await store.schedules.put(Schedule("often", "Noop", interval=5.0), owner=None)
    assert changed.schedule.paused
    assert changed.resumed_at is None
    resumed = await store.schedules.pause("often", paused=False)
    assert not resumed.schedule.paused
    assert resumed.resumed_at is not None
    assert resumed.resumed_at >= resumed.created_at
    again = await store.schedules.pause("often", paused=False)
    assert again.resumed_at == resumed.resumed_at, "one that was not paused is not resumed"
    assert resumed.revision == changed.revision, "a pause is no change of what was asked"


async def test_a_schedule_can_be_made_paused(store: Store) -> None:
    made = await store.schedules.put(Schedule("often", "Noop", interval=5.0, paused=True), owner=None)
    assert made.schedule.paused


# --- due and fire


async def test_a_new_schedule_is_looked_at_at_once_and_then_at_its_next_time(store: Store) -> None:
    membership = await led(store)
    assert (await store.schedules.due(10)).wait is None
    await store.schedules.put(OFTEN, owner=None)
    due = await store.schedules.due(10)
    [facts] = due.schedules
    plan = due_ticks(facts.schedule, facts.standing, due.now)
    assert plan.ticks == ()
    assert await store.schedules.fire(membership, Firing("often", facts.turn, plan)) == ()
    waiting = await store.schedules.due(10)
    assert waiting.schedules == ()
    assert waiting.wait is not None
    assert 3_590 < waiting.wait <= 3_600


async def test_due_schedules_come_longest_due_first_and_no_more_than_asked_for(store: Store) -> None:
    for n in range(3):
        await store.schedules.put(Schedule(f"s{n}", "Noop", interval=5.0), owner=None)
    due = await store.schedules.due(2)
    assert [facts.schedule.name for facts in due.schedules] == ["s0", "s1"]
    assert due.wait is None


async def test_a_firing_stores_its_tasks_and_tells_of_every_tick(store: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    firing = planned(facts, RAN, SKIPPED, RAN)
    receipts = await store.schedules.fire(membership, firing)
    assert receipts is not None
    told = await ledger(store)
    assert [(tick.due_at, tick.outcome, tick.reason) for tick in told] == [
        (tick.due_at, tick.outcome, tick.reason) for tick in firing.plan.ticks
    ]
    assert [tick.task for tick in told] == [receipts[0].task, None, receipts[1].task]
    for tick in (told[0], told[2]):
        assert tick.task is not None
        task = await facts_of(store, tick.task)
        assert (task.title, task.trigger) == (tick.due_at.isoformat(), "schedule")
    after = await store.schedules.get("often")
    assert (after.since, after.next_at) == (firing.plan.settled, firing.plan.next_at)
    assert after.last_task == after.busy == receipts[1].task


async def test_a_schedule_is_read_with_the_newest_line_of_its_ledger(store: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    await store.schedules.put(NIGHTLY, owner=None)
    assert facts.last_tick is None
    await store.schedules.fire(membership, planned(facts, RAN, SKIPPED))
    newest = (await store.schedules.ledger("often", 1)).items[0]
    assert newest.outcome is SKIPPED
    assert (await store.schedules.get("often")).last_tick == newest
    listed = (await store.schedules.list(10)).items
    assert {each.schedule.name: each.last_tick for each in listed} == {"nightly": None, "often": newest}
    await store.schedules.run_now("often", new_task(), "ada")
    told = (await store.schedules.pause("often", paused=True)).last_tick
    assert told is not None
    assert (told.outcome, told.reason) == (BY_HAND, "by ada")


async def test_its_last_task_keeps_a_schedule_busy_until_it_is_over(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    facts = await store.schedules.put(OFTEN, owner=None)
    await store.schedules.fire(membership, planned(facts, RAN))
    [claimed] = await claim(store, node)
    assert (await store.schedules.get("often")).busy == claimed.id
    await store.queue.finish(node, [ended(claimed)])
    over = await store.schedules.get("often")
    assert (over.busy, over.last_task) == (None, claimed.id)


async def test_a_firing_is_accepted_once_whoever_makes_it_again(store: Store, other: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    for first in range(1, 6):
        facts = await store.schedules.get("often")
        firing = planned(facts, RAN, first=first)
        doors = [store, other] * 4
        answers = await asyncio.gather(*(door.schedules.fire(membership, firing) for door in doors))
        assert sorted(answer is not None for answer in answers) == [False] * 7 + [True]
    ticks = await ledger(store)
    assert len(ticks) == len({tick.due_at for tick in ticks}) == len({tick.task for tick in ticks}) == 5
    assert len(await claim(store, membership.node)) == 5, "a task of a refused firing was stored"


@pytest.mark.parametrize("written", ["put", "pause", "run_now", "fire", "delete"])
async def test_a_firing_planned_before_any_other_write_is_refused(store: Store, written: str) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    firing = planned(facts, RAN)
    writes = {
        "put": lambda: store.schedules.put(OFTEN, owner=None),
        "pause": lambda: store.schedules.pause("often", paused=True),
        "run_now": lambda: store.schedules.run_now("often", new_task(), "ada"),
        "fire": lambda: store.schedules.fire(membership, planned(facts, SKIPPED)),
        "delete": lambda: store.schedules.delete("often", owner=None),
    }
    await writes[written]()
    before = await ledger(store)
    assert await store.schedules.fire(membership, firing) is None
    assert await ledger(store) == before
    assert len(await claim(store, membership.node)) == (written == "run_now")


async def test_a_node_that_does_not_lead_and_a_term_that_is_over_fire_nothing(store: Store) -> None:
    old, new = await node_of(store), await node_of(store, pid=2)
    was = await leader(store, old)
    facts = await store.schedules.put(OFTEN, owner=None)
    expire(store, old)
    leads = await leader(store, new)
    for pretender in (was, Membership(new, leads.term + 1), Membership(old, leads.term), Membership(new, was.term)):
        assert await store.schedules.fire(pretender, planned(facts, RAN)) is None
    assert await ledger(store) == []
    assert await claim(store, new) == []
    assert await store.schedules.fire(leads, planned(facts, RAN)) is not None


async def test_a_leadership_that_nobody_renewed_fires_nothing(store: Store) -> None:
    membership = await leader(store, await node_of(store), lease=0.0)
    facts = await store.schedules.put(OFTEN, owner=None)
    assert await store.schedules.fire(membership, planned(facts, RAN)) is None


async def test_two_leaders_that_race_decide_each_tick_once(store: Store, other: Store) -> None:
    """Each takes the leadership from the other between its read and its firing; what was read decides."""
    doors = [(store, await node_of(store)), (other, await node_of(other, pid=2))]
    await store.schedules.put(OFTEN, owner=None)

    async def lead_and_fire(door: Store, node: int) -> None:
        for turn in range(15):
            beat = await door.cluster.beat(node, LEASE if turn % 3 else 0.0)
            facts = await door.schedules.get("often")
            hours = round((facts.since - facts.created_at) / timedelta(hours=1))
            if beat.term is not None:
                await door.schedules.fire(Membership(node, beat.term), planned(facts, RAN, first=hours + 1))
            await door.cluster.beat(node, 0.0)

    await asyncio.gather(*(lead_and_fire(*door) for door in doors * 2))
    ticks = await ledger(store)
    assert len(ticks) > 3, "void: hardly anything fired"
    hours = [round((tick.due_at - ticks[0].due_at) / timedelta(hours=1)) for tick in ticks]
    assert hours == list(range(len(ticks))), "each tick once, and none left out"
    claimed = [one.id for one in await claim(store, doors[0][1])]
    assert sorted(claimed) == sorted(tick.task for tick in ticks if tick.task is not None)


async def test_a_schedule_made_anew_does_not_decide_the_ticks_of_the_old_one_again(store: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    ahead = planned(facts, RAN)
    await store.schedules.fire(membership, ahead)
    await store.schedules.delete("often", owner=None)
    anew = await store.schedules.put(OFTEN, owner=None)
    assert anew.since == ahead.plan.ticks[0].due_at
    assert len(await ledger(store)) == 1, "the ledger outlives its schedule"


async def test_a_task_that_the_store_refuses_fires_nothing_at_all(store: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    firing = planned(facts, RAN)
    await store.queue.enqueue([new_task(request_id=UUID(int=1), body_hash=b"1")])
    bad = Firing(firing.name, firing.turn, firing.plan, (new_task(request_id=UUID(int=1), body_hash=b"2"),))
    with pytest.raises(InvalidArgument):
        await store.schedules.fire(membership, bad)
    assert await ledger(store) == []
    assert (await store.schedules.get("often")).turn == facts.turn
    assert await store.schedules.fire(membership, firing) is not None


# --- run now, ledger, prune


async def test_a_run_by_hand_is_in_the_ledger_with_its_task_and_keeps_the_schedule_busy(store: Store) -> None:
    await store.schedules.put(OFTEN, owner=None)
    receipts: list[Receipt] = [await store.schedules.run_now("often", new_task(), "ada") for _ in range(2)]
    ticks = await ledger(store)
    assert [(tick.outcome, tick.reason, tick.task) for tick in ticks] == [
        (BY_HAND, "by ada", receipt.task) for receipt in receipts
    ]
    assert (await store.schedules.get("often")).busy == receipts[1].task
    await ask(store, receipts[1].task)
    assert (await store.schedules.get("often")).busy is None


async def test_a_run_by_hand_that_is_asked_again_runs_once(store: Store) -> None:
    await store.schedules.put(OFTEN, owner=None)
    task = new_task(request_id=UUID(int=5), body_hash=b"x")
    first = await store.schedules.run_now("often", task, "ada")
    again = await store.schedules.run_now("often", task, "ada")
    assert (again.task, again.repeated) == (first.task, True)
    assert len(await ledger(store)) == 1


async def test_the_ledger_is_read_newest_first_in_pages_that_nothing_new_disturbs(store: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    await store.schedules.put(NIGHTLY, owner=None)
    await store.schedules.fire(membership, planned(facts, *[SKIPPED] * 7))
    seen: list[int] = []
    page = await store.schedules.ledger("often", 3)
    while True:
        seen += [tick.id for tick in page.items]
        await store.schedules.run_now("often", new_task(), "ada")
        if page.after is None:
            break
        page = await store.schedules.ledger("often", 3, *page.after)
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)
    assert (await store.schedules.ledger("nightly", 3)).items == ()


async def test_only_a_leader_whose_term_goes_on_prunes(store: Store) -> None:
    node, neighbour = await node_of(store), await node_of(store, pid=2)
    membership = await leader(store, node)
    facts = await store.schedules.put(OFTEN, owner=None)
    await store.schedules.fire(membership, planned(facts, SKIPPED))
    pretenders = [Membership(neighbour, membership.term), Membership(node, membership.term + 1)]
    for pretender in pretenders:
        assert await store.schedules.prune(pretender, -60.0, 10) == 0
    await leader(store, node, lease=0.0)
    assert await store.schedules.prune(membership, -60.0, 10) == 0
    await leader(store, node)
    assert await store.schedules.prune(membership, -60.0, 10) == 1


async def test_old_lines_of_the_ledger_are_pruned_in_batches(store: Store) -> None:
    membership = await led(store)
    facts = await store.schedules.put(OFTEN, owner=None)
    await store.schedules.fire(membership, planned(facts, *[SKIPPED] * 5))
    assert await store.schedules.prune(membership, 3_600.0, 10) == 0

    async def pruned() -> bool:
        return await store.schedules.prune(membership, 0.0, 3) == 3

    await eventually(pruned)
    assert len(await ledger(store)) == 2
    assert await store.schedules.prune(membership, 0.0, 3) == 2


async def test_what_a_schedule_makes_for_a_concurrency_key_can_be_claimed_at_once(store: Store) -> None:
    membership = await led(store)
    await store.schedules.put(OFTEN, owner=None)
    slotted = new_task(slot_key="s", slot_limit=1)
    receipt = await store.schedules.run_now("often", slotted, "ada")
    assert [one.id for one in await claim(store, membership.node)] == [receipt.task]
