"""The harness for plugin authors: children, lanes, joined requests, and handlers that block."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import msgspec
import pytest
from windlass import BlockingContext, Context, Graces, Handler, Interrupted, Outcome, Retry, Success
from windlass.errors import RequestIdReused
from windlass.testing import Child, Harness, PayloadInvalid, Rung, Verdict, Visit, check_handler_keeps_contract, virtual

from tests.host import publishing


class Part(msgspec.Struct):
    number: int = 0


class Split(Handler[dict[str, Any]]):
    kind = "Split"

    async def run(self, ctx: Context, payload: dict[str, Any]) -> Outcome:
        first = await ctx.enqueue("Part", Part(1), name="one", title="part one")
        await ctx.enqueue("Elsewhere", {"x": 1}, after=[first])
        await ctx.enqueue("Split", {"again": True}, priority=100)
        return Retry("again") if ctx.task.attempt == 1 else Success(first)


class Parts(Handler[Part]):
    kind = "Part"

    async def run(self, ctx: Context, payload: Part) -> Outcome:
        return Success()


@virtual
async def test_children_are_recorded_and_not_run_and_their_kinds_need_no_handler() -> None:
    async with Harness(Split()) as harness:
        run = await harness.run("Split")
    run.assert_children("Part", "Elsewhere", "Split")
    one, elsewhere, again = run.children
    assert one == Child(one.task, "Part", {"number": 1}, "one", {"title": "part one"}, 0.0)
    assert (elsewhere.payload, elsewhere.wishes) == ({"x": 1}, {"after": [one.task]})
    assert again.task not in {run.task, one.task, elsewhere.task}
    with pytest.raises(AssertionError, match="children of the kinds"):
        run.assert_children("Part")


@virtual
async def test_the_next_attempt_gets_the_same_child_by_its_name() -> None:
    async with Harness(Split()) as harness:
        first, second = await harness.run_to_end("Split")
    assert first.children[0].task == second.children[0].task
    assert first.children[1].task != second.children[1].task
    second.assert_succeeded(first.children[0].task)


@virtual
async def test_a_child_whose_kind_is_registered_must_fit_it() -> None:
    class Wrong(Handler[dict[str, Any]]):
        kind = "Wrong"

        async def run(self, ctx: Context, payload: dict[str, Any]) -> Outcome:
            with pytest.raises(PayloadInvalid):
                await ctx.enqueue("Part", {"number": "x"})
            await ctx.enqueue("Part", name="one")
            with pytest.raises(RequestIdReused):
                await ctx.enqueue("Part", Part(2), name="one")
            return Success()

    async with Harness(Wrong(), Parts()) as harness:
        (await harness.run("Wrong")).assert_succeeded().assert_children("Part")


@virtual
async def test_lanes_are_recorded_with_their_times() -> None:
    class Publish(Handler[dict[str, Any]]):
        kind = "Publish"

        async def run(self, ctx: Context, payload: dict[str, Any]) -> Outcome:
            await asyncio.sleep(1)
            async with ctx.lane("entities") as lane:
                await asyncio.sleep(2)
                await lane.check()
            async with ctx.lane("pages"):
                return Success()

    async with Harness(Publish()) as harness:
        run = await harness.run("Publish")
    assert run.assert_succeeded().lanes == (Visit("entities", 1, 1.0, 2.0), Visit("pages", 1, 3.0, 0.0))
    assert "lane entities for 2 s" in run.told()


@virtual
async def test_joined_requests_are_folded_as_a_node_does() -> None:
    async with Harness(publishing.InlineSum()) as harness:
        run = await harness.run("InlineSum", [1], joined=[[2], [3]])
        run.assert_succeeded({"payload": [1, 2, 3]})
        (await harness.run("InlineSum", [1], joined=[[0]])).assert_failed("merge raised ZeroDivisionError: by nought")


@virtual
async def test_requests_that_would_not_join_say_so() -> None:
    async with Harness(Parts()) as harness:
        with pytest.raises(AssertionError, match="would not join each other"):
            await harness.run("Part", {"number": 1}, joined=[{"number": 2}])


class Blocks(Handler[dict[str, Any]]):
    kind = "Blocks"
    graces = Graces(ask=0.1, raise_=5.0)

    def run(self, ctx: BlockingContext, payload: dict[str, Any]) -> Outcome:
        ctx.stage("blocking")
        if payload.get("stays"):
            while True:
                time.sleep(0.005)
        with ctx.lane("one") as lane:
            lane.check()
        child = ctx.enqueue("Part", name="one")
        return Success({"pid": os.getpid(), "child": child, "is_main": threading.current_thread().name == "MainThread"})


def check_blocking(run: Any) -> None:
    run.assert_succeeded().assert_stages("blocking").assert_children("Part")
    assert run.returned == Success(run.result)
    assert (run.result["pid"], run.result["is_main"]) == (os.getpid(), False)
    assert [visit.name for visit in run.lanes] == ["one"]


async def test_a_blocking_handler_given_as_an_instance_runs_in_a_thread() -> None:
    async with Harness(Blocks()) as harness:
        check_blocking(await harness.run("Blocks"))
        run = await harness.run("Blocks", {"stays": True}, interrupt_at="blocking")
    run.assert_canceled(by=Rung.RAISED)


@virtual
async def test_a_thread_keeps_real_time_on_a_virtual_clock() -> None:
    async with Harness(Blocks()) as harness:
        check_blocking(await harness.run("Blocks"))


def test_a_blocking_handler_can_be_held_to_the_contract() -> None:
    check_handler_keeps_contract(Blocks(), [{}])


async def test_a_plugin_given_as_its_module_has_its_worker_processes() -> None:
    async with Harness(publishing) as harness:
        run = await harness.run("Sum", [1], joined=[[2]])
        assert run.assert_succeeded().result["payload"] == [1, 2]
        assert run.result["pid"] != os.getpid()
        assert run.returned == Success(run.result)
        run = await harness.run("ProcessScene", {"name": "makes_children"})
        run.assert_children("Part", "Part", "Part")
        run = await harness.run("AsyncScene", {"name": "publishes", "file": "/"})
        assert [visit.name for visit in run.assert_succeeded().lanes] == ["entities"]
        run = await harness.run("ProcessScene", {"name": "publishes", "file": "/nowhere"}, interrupt_at="computing")
        run.assert_canceled()
        assert run.verdict is Verdict.CANCELED


async def test_an_interrupt_of_a_blocking_handler_is_seen_as_what_it_raised() -> None:
    class Stubborn(Blocks):
        kind = "Stubborn"

        def run(self, ctx: BlockingContext, payload: dict[str, Any]) -> Outcome:
            ctx.stage("blocking")
            try:
                while True:
                    time.sleep(0.005)
            except Interrupted:
                return Success("after all")

    async with Harness(Stubborn()) as harness:
        run = await harness.run("Stubborn", interrupt_at="blocking")
    assert (run.verdict, run.ended_by, run.returned) == (Verdict.CANCELED, Rung.RAISED, Success("after all"))
