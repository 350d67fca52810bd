"""Schedules and residents on real nodes: ticks make tasks, outages are caught up, residents come back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from windlass import CatchUp, Context, Outcome, Overlap, Resident, Schedule, Settings, Success, hookimpl
from windlass.core.lifecycle import State
from windlass.core.schedules import TickOutcome
from windlass.errors import BootError, ScheduleChanged, ScheduleInvalid, ScheduleNotFound, UnknownKind
from windlass.host.admission import Caller
from windlass.host.kernel import Kernel
from windlass.store.schedules import TickFacts

from tests.host.rig import Rig, asked, stop
from tests.waiting import eventually

ADA = Caller("ada", 1)
SYSTEM = 2


class Planner:
    """A plugin whose schedules and residents the test chooses."""

    def __init__(self, *registered: Schedule | Resident) -> None:
        self.registered = registered

    @hookimpl
    def windlass_register_schedules(self, settings: Settings) -> Iterable[Schedule]:
        return [each for each in self.registered if isinstance(each, Schedule)]

    @hookimpl
    def windlass_register_residents(self, settings: Settings) -> Iterable[Resident]:
        return [each for each in self.registered if isinstance(each, Resident)]


def nightly(**changes: Any) -> Schedule:
    return Schedule(**({"name": "nightly", "kind": "Noop", "cron": "30 2 * * *"} | changes))


async def ledger(kernel: Kernel, name: str) -> list[TickFacts]:
    """Oldest first."""
    return list(reversed((await kernel.timetable.ledger(name, 1_000)).items))


async def told(kernel: Kernel, name: str, count: int = 1) -> list[TickFacts]:
    async def look() -> list[TickFacts] | None:
        ticks = await ledger(kernel, name)
        return ticks if len(ticks) >= count else None

    found = await eventually(look)
    assert found is not None
    return found


def away_since(rig: Rig, name: str, back: str) -> None:
    """As if nobody had looked at the schedule for so long, and its next tick was due then."""
    rig.execute(
        "update windlass.schedule set since = now() - %s::interval, created_at = now() - %s::interval,"
        " next_at = now(), turn = turn + 1 where name = %s",
        back,
        back,
        name,
    )


# --- ticks


async def test_a_schedule_makes_tasks_in_time_that_nobody_asked_for_and_they_run(rig: Rig) -> None:
    kernel = await rig.start()
    put = await kernel.timetable.put(Schedule("often", "Noop", interval=1.0, labels={"a": "b"}, title="often"))
    ticks = await told(kernel, "often", 2)
    for number, tick in enumerate(ticks[:2], 1):
        assert tick.outcome is TickOutcome.RAN
        assert tick.due_at == put.created_at + timedelta(seconds=number), "in step with its making"
        assert tick.at - tick.due_at < timedelta(seconds=1)
        assert tick.task is not None
        task = await rig.ended(tick.task)
        assert (task.trigger, task.initiator, task.origin, task.title) == ("schedule", "Scheduler", SYSTEM, "often")
        assert (task.state, task.attempt_limit) == (State.COMPLETED, 10)
        labels = msgspec.json.decode(task.labels)
        assert labels == {"a": "b", "schedule": "often", "due_at": tick.due_at.isoformat()}


async def test_a_tick_is_skipped_while_the_task_of_the_one_before_runs(rig: Rig) -> None:
    kernel = await rig.start()

    async def stays(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    rig.theatre.plays["stays"] = stays
    await kernel.timetable.put(Schedule("slow", "Play", interval=1.0, payload={"play": "stays"}))
    first, second = (await told(kernel, "slow", 2))[:2]
    assert (first.outcome, second.outcome) == (TickOutcome.RAN, TickOutcome.SKIPPED)
    assert second.reason == f"task {first.task} of an earlier tick is not over"
    assert second.task is None


async def test_a_missed_tick_is_caught_up_once_after_an_outage(rig: Rig) -> None:
    kernel = await rig.start()
    await kernel.timetable.put(Schedule("hourly", "Noop", interval=3600.0))
    await stop_all(rig)
    away_since(rig, "hourly", "3 hours 10 minutes")
    again = await rig.start(store=await rig.another_store())
    ticks = await told(again, "hourly", 3)
    assert [tick.outcome for tick in ticks] == [TickOutcome.SKIPPED, TickOutcome.SKIPPED, TickOutcome.CAUGHT_UP]
    assert ticks[2].task is not None
    assert (await rig.ended(ticks[2].task)).state is State.COMPLETED


async def test_every_missed_tick_is_caught_up_when_the_schedule_says_so_and_none_when_it_says_that(rig: Rig) -> None:
    kernel = await rig.start()
    for name, catch_up in (("all", CatchUp.ALL), ("none", CatchUp.SKIP)):
        await kernel.timetable.put(Schedule(name, "Noop", interval=3600.0, catch_up=catch_up, overlap=Overlap.ALLOW))
    await stop_all(rig)
    for name in ("all", "none"):
        away_since(rig, name, "3 hours 10 minutes")
    again = await rig.start(store=await rig.another_store())
    assert [tick.outcome for tick in await told(again, "all", 3)] == [TickOutcome.CAUGHT_UP] * 3
    assert [tick.outcome for tick in await told(again, "none", 3)] == [TickOutcome.SKIPPED] * 3


async def stop_all(rig: Rig) -> None:
    for kernel in rig.kernels:
        await stop(kernel)
    rig.kernels.clear()


async def test_two_nodes_fire_each_tick_once(rig: Rig) -> None:
    one = await rig.start()
    two = await rig.start(store=await rig.another_store())
    await two.timetable.put(Schedule("often", "Noop", interval=1.0, overlap=Overlap.ALLOW))
    ticks = await told(one, "often", 3)
    assert len({tick.due_at for tick in ticks}) == len(ticks)
    fired = [tick for tick in ticks if tick.task is not None]
    assert rig.execute("select count(*) from windlass.task where id <= %s", fired[-1].task) == [(len(fired),)]


async def test_a_schedule_that_can_not_be_fired_does_not_stand_in_the_others_way(rig: Rig) -> None:
    kernel = await rig.start()
    await kernel.timetable.put(Schedule("broken", "Noop", interval=3600.0))
    broken = '{"zone": "No/Where", "cron": "* * * * *", "interval": null}'
    rig.execute("update windlass.schedule set spec = spec || %s, next_at = now()", broken)
    await kernel.timetable.put(Schedule("sound", "Noop", interval=1.0))
    await eventually(lambda: rig.theatre.began)
    assert await ledger(kernel, "broken") == []


# --- calls


async def test_paused_ticks_are_told_as_such_and_resuming_goes_on(rig: Rig) -> None:
    kernel = await rig.start()
    await kernel.timetable.put(Schedule("often", "Noop", interval=1.0, overlap=Overlap.ALLOW))
    paused = await kernel.timetable.pause("often")
    assert paused.schedule.paused
    ticks = await told(kernel, "often")
    assert (ticks[-1].outcome, ticks[-1].reason) == (TickOutcome.SKIPPED, "paused")
    assert not (await kernel.timetable.resume("often")).schedule.paused

    async def runs() -> bool:
        return (await ledger(kernel, "often"))[-1].outcome is TickOutcome.RAN

    await eventually(runs)


async def test_a_run_by_hand_is_its_callers(rig: Rig) -> None:
    kernel = await rig.start()
    await kernel.timetable.put(nightly(title="the night"))
    await kernel.timetable.pause("nightly")
    receipt = await kernel.timetable.run_now("nightly", ADA, "00000000-0000-0000-0000-000000000007")
    again = await kernel.timetable.run_now("nightly", ADA, "00000000-0000-0000-0000-000000000007")
    assert (again.task, again.repeated) == (receipt.task, True)
    task = await rig.ended(receipt.task)
    assert (task.trigger, task.initiator, task.origin, task.title) == ("operator", "ada", 1, "the night")
    [tick] = await ledger(kernel, "nightly")
    assert (tick.outcome, tick.reason, tick.task) == (TickOutcome.BY_HAND, "by ada", receipt.task)


async def test_what_can_never_work_is_refused_when_it_is_put(rig: Rig) -> None:
    kernel = await rig.start()
    with pytest.raises(UnknownKind, match="schedule nightly: no plugin here handles kind 'Nop'; did you mean Noop"):
        await kernel.timetable.put(nightly(kind="Nop"))
    with pytest.raises(ScheduleInvalid, match="hour '25' is wrong"):
        await kernel.timetable.put(nightly(cron="0 25 * * *"))
    with pytest.raises(ScheduleInvalid, match="can't be written as JSON and read back"):
        await kernel.timetable.put(nightly(cron=None, interval=timedelta(hours=1)))
    with pytest.raises(ScheduleInvalid, match="can't be written as JSON"):
        await kernel.timetable.put(nightly(payload=object()))
    assert (await kernel.timetable.list(10)).items == ()


async def test_a_schedule_is_completed_by_its_kind(rig: Rig) -> None:
    kernel = await rig.start()
    put = await kernel.timetable.put(nightly())
    assert (put.schedule.pool, put.schedule.priority) == ("default", 5)
    assert (await kernel.timetable.get("nightly")).schedule == put.schedule
    await kernel.timetable.delete("nightly", put.revision)
    with pytest.raises(ScheduleNotFound):
        await kernel.timetable.get("nightly")


# --- plugins


async def test_what_a_plugin_registers_is_put_changed_and_removed_with_its_next_start(rig: Rig) -> None:
    first = await rig.start(plugins={"planner": Planner(nightly(), nightly(name="weekly"))})
    facts = await first.timetable.get("nightly")
    assert (facts.owner, facts.revision) == ("planner", 1)
    await first.timetable.pause("nightly")
    with pytest.raises(ScheduleChanged, match="belongs to plugin planner"):
        await first.timetable.delete("nightly")
    await rig.start(plugins={"planner": Planner(nightly(), nightly(name="weekly"))})
    assert (await first.timetable.get("nightly")).revision == 1, "nothing changed"
    await rig.start(plugins={"planner": Planner(nightly(cron="0 3 * * *"))})
    changed = await first.timetable.get("nightly")
    assert (changed.schedule.cron, changed.schedule.paused, changed.revision) == ("0 3 * * *", True, 2)
    with pytest.raises(ScheduleNotFound):
        await first.timetable.get("weekly")
    await rig.start()
    assert (await first.timetable.get("nightly")).owner == "planner", "its plugin is not here: who knows where it is"
    await rig.start(plugins={"planner": Planner()})
    assert (await first.timetable.list(10)).items == ()


async def test_an_operators_schedule_is_never_touched_by_a_plugin(rig: Rig) -> None:
    kernel = await rig.start()
    mine = await kernel.timetable.put(nightly(title="mine"))
    await kernel.timetable.put(nightly(name="other"))
    await rig.start(plugins={"planner": Planner(nightly())})
    await rig.start(plugins={"planner": Planner()})
    assert (await kernel.timetable.get("nightly")).schedule == mine.schedule
    assert len((await kernel.timetable.list(10)).items) == 2


@pytest.mark.parametrize(
    ("registered", "words"),
    [
        (nightly(kind="Nop"), "plugin planner registers a schedule that can't work: schedule nightly: no plugin here"),
        (nightly(zone="Europe/Berln"), "did you mean Europe/Berlin"),
        (nightly(kind="Play", payload={"plya": ""}), "the payload does not fit Play"),
        (Resident("Nop", "a"), "resident Nop 'a' can't work: no plugin here handles kind 'Nop'"),
    ],
)
async def test_a_plugin_that_registers_what_can_not_work_stops_the_boot(
    rig: Rig, registered: Schedule | Resident, words: str
) -> None:
    with pytest.raises(BootError, match=words):
        await rig.start(plugins={"planner": Planner(registered)})
    assert rig.count("schedule") == rig.count("node") == 0


# --- residents


async def test_a_resident_comes_back_within_five_seconds_however_it_ends(rig: Rig) -> None:
    async def play(ctx: Context) -> Outcome:
        if len(rig.theatre.began) == 1:
            return Success()
        await ctx.cancelled.wait()
        return Success()

    rig.theatre.plays["listen"] = play
    kernel = await rig.start(plugins={"planner": Planner(Resident("Play", "door", {"play": "listen"}, "listener"))})
    await eventually(lambda: len(rig.theatre.began) == 2, 5.0)
    first, second = rig.theatre.began
    task = await rig.task(first[0])
    assert (task.trigger, task.initiator, task.origin, task.title) == ("resident", "Scheduler", SYSTEM, "listener")
    await kernel.interrupt(asked(second[0]))
    await rig.ended(second[0])
    await eventually(lambda: len(rig.theatre.began) == 3, 5.0)
    assert len({task for task, _ in rig.theatre.began}) == 3
    assert rig.execute("select count(*) from windlass.place where state < 4") == [(1,)]


async def test_a_resident_that_is_no_longer_registered_is_left_alone_and_not_made_again(rig: Rig) -> None:
    async def play(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        return Success()

    rig.theatre.plays["listen"] = play
    first = await rig.start(plugins={"planner": Planner(Resident("Play", "door", {"play": "listen"}))})
    [(task, _)] = await eventually(lambda: rig.theatre.began)
    second = await rig.start(
        store=await rig.another_store(), plugins={"planner": Planner(Resident("Play", "window", {"play": "listen"}))}
    )
    await stop(first)
    rig.kernels.remove(first)
    # Its task was handed back by the shutdown, and the node that does not register it runs it all the same.
    await rig.began(task, 2)
    await eventually(lambda: len(rig.theatre.began) == 3)
    await second.interrupt(asked(task))
    await rig.ended(task)
    window = rig.execute("select task from windlass.resident where key = 'window'")
    await second.interrupt(asked(window[0][0]))
    await eventually(lambda: rig.execute("select task from windlass.resident where key = 'window'") != window)
    assert rig.execute("select task from windlass.resident where key = 'door'") == [(task,)]


async def test_nodes_that_start_at_once_keep_one_task_of_a_resident(rig: Rig) -> None:
    async def play(ctx: Context) -> Outcome:
        await ctx.cancelled.wait()
        return Success()

    rig.theatre.plays["listen"] = play
    planner = Planner(*[Resident("Play", key, {"play": "listen"}) for key in "abc"])
    stores = [rig.store, await rig.another_store()]
    await asyncio.gather(*(rig.start(store=store, plugins={"planner": planner}) for store in stores))
    await eventually(lambda: len(rig.theatre.began) == 3)
    assert rig.count("task") == rig.count("resident") == 3
