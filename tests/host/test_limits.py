"""Limits that a request brings, and those its kind has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from windlass import Context, Deadlines, Graces, Handler, Outcome, RetryPolicy, Settings, Success, hookimpl
from windlass.core.lifecycle import State
from windlass.errors import InvalidArgument
from windlass.host.admission import Caller, Request

from tests.contract.facts import new_task
from tests.host.rig import Rig

ADA = Caller("ada", 1)


class Unbounded(Handler[Any]):
    kind = "Unbounded"
    retry = RetryPolicy(attempts=1)
    graces = Graces(ask=1.0)

    async def run(self, ctx: Context, payload: Any) -> Outcome:
        await ctx.cancelled.wait()
        return Success()


class Bounded(Unbounded):
    kind = "Bounded"
    deadlines = Deadlines(run=0.1, silence=3000.0, queue=77.0)


class Both:
    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Unbounded(), Bounded()]


PLUGIN = {"limits": Both()}


@pytest.mark.parametrize(
    ("limit", "message"),
    [("run_limit", "it ran longer than 0.2 s"), ("silence_limit", "it said nothing for 0.2 s")],
)
@pytest.mark.parametrize("kind", ["Unbounded", "Bounded"])
async def test_the_limit_of_a_request_wins_over_its_kinds(rig: Rig, kind: str, limit: str, message: str) -> None:
    await rig.start(plugins=PLUGIN)
    limits: dict[str, Any] = {"run_limit": 1000.0, limit: 0.2}
    task = new_task(kind=kind, **limits)
    receipt = await rig.kernels[0].enqueuer.enqueue(task)
    facts = await rig.ended(receipt.task)
    assert facts.state is State.FAILED
    assert facts.message == f"{message}; it ended when asked (attempt 1 of 1, the last)"


async def test_without_one_the_kinds_own_limit_holds(rig: Rig) -> None:
    kernel = await rig.start(plugins=PLUGIN)
    receipt = await kernel.enqueuer.enqueue(kernel.admission.admit(Request(kind="Bounded"), ADA))
    assert "it ran longer than 0.1 s" in ((await rig.ended(receipt.task)).message or "")


async def test_the_kinds_queue_deadline_is_the_default_of_every_request(rig: Rig) -> None:
    kernel = await rig.start(plugins=PLUGIN)
    admitted = [
        kernel.admission.admit(Request(kind="Bounded"), ADA),
        kernel.admission.admit(Request(kind="Bounded", start_within=5.0), ADA),
        kernel.admission.admit(Request(kind="Unbounded"), ADA),
    ]
    assert [task.start_within for task in admitted] == [77.0, 5.0, None]


async def test_a_limit_that_no_deadline_may_have_is_refused(rig: Rig) -> None:
    kernel = await rig.start(plugins=PLUGIN)
    for field in ("start_within", "run_limit", "silence_limit"):
        limit: dict[str, Any] = {field: 400 * 86_400.0}
        with pytest.raises(InvalidArgument, match=f"{field} must be from"):
            kernel.admission.admit(Request(kind="Bounded", **limit), ADA)


async def test_who_enqueues_in_sql_gets_the_kinds_limits(rig: Rig) -> None:
    await rig.start(plugins=PLUGIN)
    [(task,)] = rig.execute("select windlass.enqueue('Bounded', delay => '1 hour')")
    asked = await rig.store.library.request(task)
    assert asked is not None
    assert (asked.start_within, asked.run_limit, asked.silence_limit) == (77.0, 0.1, 3000.0)


async def test_a_retry_from_history_keeps_the_limits(rig: Rig) -> None:
    kernel = await rig.start(plugins=PLUGIN)
    limits: dict[str, Any] = {"start_within": 9.0, "run_limit": 0.2, "silence_limit": 8.0}
    task = kernel.admission.admit(Request(kind="Unbounded", **limits), ADA)
    first = await kernel.enqueuer.enqueue(task)
    await rig.ended(first.task)
    again = await kernel.retry(first.task, Caller("eve", 1))
    asked = await rig.store.library.request(again.task)
    assert asked is not None
    assert (asked.start_within, asked.run_limit, asked.silence_limit) == (9.0, 0.2, 8.0)
    assert "it ran longer than 0.2 s" in ((await rig.ended(again.task)).message or "")
