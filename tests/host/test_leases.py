"""Leases: a node that lost its own is fenced and starts over; what lost and dead nodes held runs again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from windlass import Context, Outcome, Success
from windlass.core.lifecycle import State, Verdict
from windlass.errors import AttemptSuperseded
from windlass.host.maintenance import recoverer
from windlass.host.process import started, this_process
from windlass.store.facts import NodeFacts

from tests.contract.facts import new_task
from tests.host.rig import Rig
from tests.waiting import eventually

STEP = 3
QUICK: dict[str, Any] = {"lease": 4.0, "renew": 0.1}


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoverer, "SWEEP_SECONDS", 0.1)


def expire(rig: Rig) -> None:
    rig.execute("update windlass.node set expires_at = now() - interval '1 second' where left_at is null")


@pytest.mark.usefixtures("quick_sweep")
async def test_a_node_whose_lease_is_lost_starts_over_as_somebody_else_and_the_task_runs_again(rig: Rig) -> None:
    ended: list[int] = []

    async def works(ctx: Context) -> Outcome:
        if ctx.task.attempt == 1:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(1)
        return Success()

    await rig.start(**QUICK)
    task = await rig.enqueue(works)
    await eventually(lambda: _started(rig))
    [(old,)] = rig.execute("select node from windlass.running")
    expire(rig)
    facts = await rig.ended(task)
    assert (facts.state, facts.attempt) == (State.COMPLETED, 2)
    assert ended == [1], "the first attempt was not stopped"
    nodes = rig.execute("select id from windlass.node where left_at is null and expires_at > now()")
    assert len(nodes) == 1
    assert nodes[0][0] > old, "an epoch was used again"
    card = await rig.store.library.card(task)
    assert card is not None
    assert [attempt.verdict for attempt in card.attempts] == [Verdict.LOST, Verdict.SUCCESS]


def _started(rig: Rig) -> object:
    return rig.execute("select id from windlass.running where started_at is not null")


@pytest.mark.usefixtures("quick_sweep")
async def test_nothing_a_zombie_says_or_returns_is_accepted_and_it_does_not_keep_its_slot(rig: Rig) -> None:
    tried = refused = 0
    second_began = asyncio.Event()

    async def works(ctx: Context) -> Outcome:
        nonlocal tried, refused
        if ctx.task.attempt > 1:
            second_began.set()
            await ctx.step("the second speaks")
            await rig.theatre.released.wait()
            return Success({"from": "second"})
        await ctx.step("the first speaks")
        while not second_began.is_set():
            try:
                await second_began.wait()
            except asyncio.CancelledError:
                continue
        for _ in range(30):
            tried += 1
            try:
                await ctx.step("a zombie speaks")
                await ctx.output(b"boo")
                await ctx.progress(tried)
            except AttemptSuperseded:
                refused += 1
            await rig.theatre.linger(0.01)
        return Success({"from": "zombie"})

    kernel = await rig.start(slots=1, **QUICK)
    task = await rig.enqueue(works)
    await eventually(lambda: _said(rig, task))
    expire(rig)
    await asyncio.wait_for(second_began.wait(), 10)
    await eventually(lambda: tried == 30)
    await eventually(lambda: rig.theatre.playing == 1)
    rig.theatre.released.set()
    facts = await rig.ended(task)
    await kernel.node.completer.settled()
    assert facts.result == b'{"from": "second"}'
    assert await rig.texts(task, STEP) == ["the first speaks", "the second speaks"]
    assert refused > 0, "the zombie was never told"
    assert rig.count("output") == 0


async def _said(rig: Rig, task: int) -> bool:
    return bool(await rig.texts(task, STEP))


async def test_a_blocked_event_loop_does_not_cost_the_lease(rig: Rig) -> None:
    async def blocks(ctx: Context) -> Outcome:
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            pass
        return Success()

    await rig.start(lease=0.8, renew=0.1)
    task = await rig.enqueue(blocks)
    facts = await rig.ended(task)
    assert (facts.state, facts.attempt) == (State.COMPLETED, 1)
    assert rig.count("node") == 1


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


async def joined(rig: Rig, child: subprocess.Popen[bytes]) -> int:
    """A node that another process of this machine would be."""
    mine = this_process(())
    facts = NodeFacts(f"here/{child.pid}", mine.machine, child.pid, started(child.pid) or 0, ("Noop",))
    return await rig.store.cluster.join(facts, 3_600.0)


async def test_what_a_dead_process_held_runs_again_within_three_seconds(rig: Rig) -> None:
    with process() as child:
        dead = await joined(rig, child)
        [receipt] = await rig.store.queue.enqueue([new_task(attempt_limit=3)])
        assert len(await rig.store.queue.claim(dead, "default", ["Noop"], 1)) == 1
        await rig.start()
        await _two_beats(rig)
        assert (await rig.task(receipt.task)).attempt == 1, "taken from a node that lives"
        child.kill()
        child.wait()
        facts = await rig.ended(receipt.task, within=3.0)
    assert (facts.state, facts.attempt) == (State.COMPLETED, 2)
    assert facts.uncounted == 1, "it had not started"
    assert rig.theatre.began == [(receipt.task, 2)]


async def _two_beats(rig: Rig) -> None:
    def leader() -> object:
        return rig.execute("select expires_at from windlass.leader")

    for _ in range(2):
        before = leader()
        await eventually(partial(_differs, leader, before))


def _differs(look: Callable[[], object], before: object) -> bool:
    return look() != before


async def test_a_pid_that_came_round_again_is_not_taken_for_the_dead(rig: Rig) -> None:
    with process() as child:
        mine = this_process(())
        earlier = NodeFacts("here/1", mine.machine, child.pid, (started(child.pid) or 0) - 1, ("Noop",))
        dead = await rig.store.cluster.join(earlier, 3_600.0)
        [receipt] = await rig.store.queue.enqueue([new_task()])
        await rig.store.queue.claim(dead, "default", ["Noop"], 1)
        await rig.start()
        assert (await rig.ended(receipt.task, within=3.0)).state is State.COMPLETED


async def test_a_node_of_another_machine_is_judged_by_its_lease_alone(rig: Rig) -> None:
    far = NodeFacts("far/1", "another boot", 2**22 + 1, 1, ("Noop",))
    node = await rig.store.cluster.join(far, 3_600.0)
    [receipt] = await rig.store.queue.enqueue([new_task()])
    await rig.store.queue.claim(node, "default", ["Noop"], 1)
    await rig.start()
    await _two_beats(rig)
    assert rig.execute("select node from windlass.running") == [(node,)]
    assert (await rig.task(receipt.task)).attempt == 1


async def test_a_task_interrupted_on_a_dead_node_is_canceled_and_does_not_run_again(rig: Rig) -> None:
    with process() as child:
        dead = await joined(rig, child)
        [receipt] = await rig.store.queue.enqueue([new_task()])
        await rig.store.queue.claim(dead, "default", ["Noop"], 1)
        rig.execute("update windlass.running set started_at = now(), interrupt_at = now(), interrupt_by = 'ada'")
        child.kill()
        child.wait()
        await rig.start()
        facts = await rig.ended(receipt.task, within=3.0)
    assert facts.state is State.CANCELED
    assert rig.theatre.began == []
