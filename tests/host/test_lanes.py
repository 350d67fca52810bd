"""Lanes with real nodes: one publishes at a time, waiters show it, and nobody who is gone keeps a lane."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any, cast

import pytest
from windlass import Context, Outcome, Success
from windlass.core.lifecycle import State
from windlass.errors import AttemptSuperseded
from windlass.host.maintenance import recoverer
from windlass.store.lanes import LaneFacts
from windlass.store.port import Store

from tests.host.rig import ForgetfulQueue, Rig, asked
from tests.waiting import eventually

STAGE = 2
LANE = "entities"
WAITING = "waiting for entity artifact writer"
QUICK: dict[str, Any] = {"lease": 4.0, "renew": 0.1}


class Press:
    """What is published, and who is at it; kept outside the system."""

    def __init__(self) -> None:
        self.fences: list[int] = []
        self.published: list[int] = []
        self.inside: set[int] = set()
        self.most_inside = 0
        self.open = asyncio.Event()

    async def publish(self, ctx: Context) -> Outcome:
        async with ctx.lane(LANE, waiting=WAITING) as lane:
            self.inside.add(ctx.task.id)
            self.most_inside = max(self.most_inside, len(self.inside))
            self.fences.append(lane.fence)
            try:
                await self.open.wait()
                await lane.check()
                self.published.append(ctx.task.id)
            finally:
                self.inside.discard(ctx.task.id)
        return Success({"fence": lane.fence})

    async def publish_with_stages(self, ctx: Context) -> Outcome:
        await ctx.stage("computing")
        return await self.publish(ctx)


@pytest.fixture
def press() -> Press:
    return Press()


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoverer, "SWEEP_SECONDS", 0.1)


async def lane_of(store: Store) -> LaneFacts:
    lanes = await store.lanes.lanes()
    return lanes[0] if lanes else LaneFacts(LANE, 0, None, ())


async def waits(rig: Rig, *tasks: int) -> None:
    """Until these tasks wait in line, in this order."""

    async def in_line() -> bool:
        return tuple(one.task for one in (await lane_of(rig.store)).waiters) == tasks

    await eventually(in_line)


async def test_eight_tasks_of_two_nodes_publish_one_at_a_time_in_the_order_they_came(rig: Rig, press: Press) -> None:
    await rig.start(slots=8)
    await rig.start(slots=8, store=await rig.another_store())
    await rig.shared(4, 4)
    tasks: list[int] = []
    for _ in range(8):
        tasks.append(await rig.enqueue(press.publish))
        await eventually(lambda: len(press.inside) == 1)
        await waits(rig, *tasks[1:])
    press.open.set()
    for task in tasks:
        assert (await rig.ended(task)).state is State.COMPLETED
    assert press.most_inside == 1
    assert press.published == tasks
    assert press.fences == list(range(1, 9))
    assert len(rig.execute("select distinct node from windlass.outcome")) == 2, "each node has half of the slots"
    assert await lane_of(rig.store) == LaneFacts(LANE, 8, None, ())


async def test_a_task_that_waits_shows_it_as_its_stage_and_the_earlier_one_comes_back(rig: Rig, press: Press) -> None:
    await rig.start()
    first = await rig.enqueue(press.publish_with_stages)
    await eventually(lambda: press.inside == {first})
    second = await rig.enqueue(press.publish_with_stages)
    await waits(rig, second)
    await eventually(lambda: _stage_is(rig, second, WAITING))
    assert await _stage_is(rig, first, "computing"), "who found the lane free waited for nothing"
    press.open.set()
    await rig.ended(first)
    await rig.ended(second)
    assert await rig.texts(first, STAGE) == ["computing"]
    assert await rig.texts(second, STAGE) == ["computing", WAITING, "computing"]


async def _stage_is(rig: Rig, task: int, *stages: str | None) -> bool:
    return (await rig.task(task)).stage in stages


async def test_a_task_that_never_named_a_stage_has_none_again_after_its_wait(rig: Rig, press: Press) -> None:
    async def stays(ctx: Context) -> Outcome:
        async with ctx.lane(LANE):
            await rig.theatre.released.wait()
        return Success()

    await rig.start()
    first = await rig.enqueue(press.publish)
    await eventually(lambda: press.inside == {first})
    second = await rig.enqueue(stays)
    await eventually(lambda: _stage_is(rig, second, f"waiting for {LANE}"))
    press.open.set()
    await eventually(lambda: _stage_is(rig, second, "", None))
    assert (await rig.task(second)).state is State.RUNNING


async def test_an_interrupted_waiter_gives_its_place_up_and_the_others_move_on(rig: Rig, press: Press) -> None:
    kernel = await rig.start()
    first, second, third = [await _next(rig, press) for _ in range(3)]
    await kernel.interrupt(asked(second))
    assert (await rig.ended(second)).state is State.CANCELED
    await waits(rig, third)
    press.open.set()
    assert (await rig.ended(third)).result == b'{"fence": 2}'
    assert press.published == [first, third]


async def _next(rig: Rig, press: Press) -> int:
    """A publisher that has come to where it stands."""
    task = await rig.enqueue(press.publish)

    async def stands() -> bool:
        return task in press.inside or task in [one.task for one in (await lane_of(rig.store)).waiters]

    await eventually(stands)
    return task


async def test_an_interrupted_holder_leaves_the_lane_to_the_next(rig: Rig, press: Press) -> None:
    kernel = await rig.start()
    first, second = [await _next(rig, press) for _ in range(2)]
    await kernel.interrupt(asked(first))
    await eventually(lambda: press.inside == {second})
    assert (await rig.ended(first)).state is State.CANCELED
    press.open.set()
    assert (await rig.ended(second)).result == b'{"fence": 2}'


async def test_a_publisher_that_fails_leaves_the_lane(rig: Rig, press: Press) -> None:
    async def fails(ctx: Context) -> Outcome:
        async with ctx.lane(LANE):
            raise RuntimeError("no ink")

    await rig.start()
    press.open.set()
    assert (await rig.ended(await rig.enqueue(fails))).state is State.FAILED
    assert (await rig.ended(await rig.enqueue(press.publish))).result == b'{"fence": 4}', "three attempts came before"


async def test_an_abandoned_handler_loses_its_lane_and_its_check_says_so(rig: Rig, press: Press) -> None:
    refused = asyncio.Event()

    async def ignores(ctx: Context) -> Outcome:
        async with ctx.lane(LANE) as lane:
            await rig.theatre.stay()
            with pytest.raises(AttemptSuperseded):
                await lane.check()
            refused.set()
        return Success()

    kernel = await rig.start()
    deaf = await rig.enqueue(ignores)
    await eventually(lambda: _holder_is(rig, deaf))
    await kernel.interrupt(asked(deaf))
    await rig.ended(deaf)
    assert rig.execute("select task from windlass.lane") == [(None,)], "its end was handed in before it left"
    press.open.set()
    assert (await rig.ended(await rig.enqueue(press.publish))).result == b'{"fence": 2}'
    rig.theatre.released.set()
    await asyncio.wait_for(refused.wait(), 5)


async def _holder_is(rig: Rig, task: int) -> bool:
    holder = (await lane_of(rig.store)).holder
    return holder is not None and holder.task == task


@pytest.mark.usefixtures("quick_sweep")
async def test_a_holder_whose_lease_is_lost_is_replaced_and_publishes_nothing(rig: Rig) -> None:
    refused: list[str] = []
    published: list[tuple[int, int]] = []
    second_is_inside = asyncio.Event()

    async def publish(ctx: Context) -> Outcome:
        async with ctx.lane(LANE) as lane:
            if ctx.task.attempt == 1:
                # Careless: it goes on although it is cancelled, until the next holder is inside.
                while not second_is_inside.is_set():
                    try:
                        await second_is_inside.wait()
                    except asyncio.CancelledError:
                        continue
            second_is_inside.set()
            try:
                await lane.check()
            except AttemptSuperseded as error:
                refused.append(error.message)
                raise
            published.append((ctx.task.attempt, lane.fence))
        return Success()

    await rig.start(**QUICK)
    task = await rig.enqueue(publish)
    await eventually(lambda: _holder_is(rig, task))
    rig.execute("update windlass.node set expires_at = now() - interval '1 second' where left_at is null")
    assert (await rig.ended(task)).attempt == 2
    await eventually(lambda: bool(refused))
    assert published == [(2, 2)]


async def test_a_check_asks_the_store_because_the_node_may_not_know_yet(rig: Rig) -> None:
    inside, checks = asyncio.Event(), asyncio.Event()
    answers: list[str] = []

    async def publish(ctx: Context) -> Outcome:
        async with ctx.lane(LANE) as lane:
            inside.set()
            await checks.wait()
            try:
                await lane.check()
                answers.append("mine")
            except AttemptSuperseded:
                answers.append("refused")
        return Success()

    await rig.start()
    await rig.enqueue(publish)
    await asyncio.wait_for(inside.wait(), 5)
    # The task is somebody else's, and nobody told this node.
    rig.execute("update windlass.running set attempt = attempt + 1")
    checks.set()
    await eventually(lambda: answers == ["refused"])


async def test_a_fenced_attempt_is_refused_although_the_store_still_counts_it(rig: Rig) -> None:
    inside = asyncio.Event()
    answers: list[str] = []

    async def publish(ctx: Context) -> Outcome:
        async with ctx.lane(LANE) as lane:
            inside.set()
            with contextlib.suppress(asyncio.CancelledError):
                await rig.theatre.released.wait()
            try:
                await lane.check()
                answers.append("mine")
            except AttemptSuperseded:
                answers.append("refused")
        return Success()

    kernel = await rig.start()
    await rig.enqueue(publish)
    await asyncio.wait_for(inside.wait(), 5)
    kernel.node._lose_epoch()
    await eventually(lambda: bool(answers))
    assert answers == ["refused"]
    assert rig.count("running") == 1


async def test_a_lane_freed_without_a_word_is_found_within_moments(rig: Rig, press: Press) -> None:
    await rig.start()
    _, second = [await _next(rig, press) for _ in range(2)]
    rig.execute("update windlass.lane set task = null, attempt = null, node = null, since = null")
    await eventually(lambda: second in press.inside, within=3.0)


async def test_a_second_lane_is_refused_while_the_first_is_held_and_taken_afterwards(rig: Rig) -> None:
    async def takes_two(ctx: Context) -> Outcome:
        async with ctx.lane("one"):
            with pytest.raises(RuntimeError, match=r"lane 'two': this task is already at lane 'one'"):
                async with ctx.lane("two"):
                    pass
        async with ctx.lane("two") as two, asyncio.timeout(5):
            await two.check()
        async with ctx.lane("one") as one:
            await one.check()
        with pytest.raises(AttemptSuperseded):
            await two.check()
        return Success([one.fence, two.fence])

    await rig.start()
    facts = await rig.ended(await rig.enqueue(takes_two))
    assert (facts.state, facts.result) == (State.COMPLETED, b"[2, 1]")


@pytest.mark.parametrize("name", ["", "a" * 201, "with\0nul"])
async def test_a_name_that_can_not_be_kept_is_refused(rig: Rig, name: str) -> None:
    async def tries(ctx: Context) -> Outcome:
        with pytest.raises(ValueError, match="a lane's name is text of 1 to 200 characters"):
            async with ctx.lane(name):
                pass
        return Success()

    await rig.start()
    assert (await rig.ended(await rig.enqueue(tries))).state is State.COMPLETED


async def test_lost_answers_change_nothing(rig: Rig, press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windlass.host.patience.RETRY_PAUSE", 0.01)
    forgetful: Any = ForgetfulQueue(cast("Any", rig.store.lanes), enter=6, holds=2, called=1)
    monkeypatch.setattr(rig.store, "lanes", forgetful)
    await rig.start()
    press.open.set()
    tasks = [await rig.enqueue(press.publish) for _ in range(4)]
    for task in tasks:
        assert (await rig.ended(task)).state is State.COMPLETED
    assert forgetful.lost["enter"] == 6
    assert forgetful.lost["holds"] == 2
    assert press.most_inside == 1
    assert press.fences == [1, 2, 3, 4]


class Counted:
    """Counts what a node asks about lanes."""

    def __init__(self, lanes: Any) -> None:
        self._lanes = lanes
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._lanes, name)


async def test_all_waiters_of_a_node_share_one_look(rig: Rig, press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    other = await rig.another_store()
    counted: Any = Counted(rig.store.lanes)
    monkeypatch.setattr(rig.store, "lanes", counted)
    monkeypatch.setattr("windlass.host.lanes.LOOK_SECONDS", 0.1)
    await rig.start(slots=20)
    tasks = [await rig.enqueue(press.publish) for _ in range(20)]

    async def everybody_waits() -> bool:
        return len((await lane_of(other)).waiters) == 19

    await eventually(everybody_waits)
    await eventually(lambda: counted.calls["enter"] == 20)
    looks = counted.calls["called"]
    await eventually(lambda: counted.calls["called"] >= looks + 5)
    assert counted.calls["enter"] == 20, "who is not called does not ask"
    press.open.set()
    for task in tasks:
        await rig.ended(task)
    assert press.fences == list(range(1, 21))
    assert counted.calls["enter"] <= 20 + 19 + 5
