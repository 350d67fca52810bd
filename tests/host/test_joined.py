"""Requests that joined a task: folded when it starts, wherever its handler runs."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from windlass.core.lifecycle import State
from windlass.errors import PayloadInvalid
from windlass.host.admission import Caller
from windlass.host.executors.worker import Worker

from tests.contract.facts import new_task
from tests.host.rig import Rig
from tests.host.test_children import PUBLISHING, WITHIN, result

BOTH = pytest.mark.parametrize("kind", ["Sum", "InlineSum"])
CANT = "what joined this task can't be folded into it: "


async def joined(rig: Rig, kind: str, *payloads: Any) -> int:
    """One task that serves them all; before a node is there to claim it."""
    asked = [new_task(kind=kind, payload=json.dumps(payload), coalesce_key="all") for payload in payloads]
    receipts = await rig.store.queue.enqueue(asked)
    assert len({receipt.task for receipt in receipts}) == 1
    return receipts[0].task


@BOTH
async def test_what_joined_is_folded_into_one_payload_in_the_order_of_its_coming(rig: Rig, kind: str) -> None:
    task = await joined(rig, kind, [1], [2, 3], [4])
    await rig.start(plugins=PUBLISHING)
    said = await result(rig, task)
    assert said["payload"] == [1, 2, 3, 4]
    assert said.get("pid") != os.getpid()


@BOTH
async def test_a_merge_that_raises_fails_the_task_and_says_so(rig: Rig, kind: str) -> None:
    bad = await joined(rig, kind, [1], [0])
    kernel = await rig.start(plugins=PUBLISHING)
    facts = await rig.ended(bad, WITHIN)
    assert (facts.state, facts.attempt) == (State.FAILED, 1)
    assert facts.message == CANT + "merge raised ZeroDivisionError: by nought"
    # The key is free again, and the node is none the worse.
    again = new_task(kind=kind, payload="[5]", coalesce_key="all")
    receipt = await kernel.enqueuer.enqueue(again)
    assert (await result(rig, receipt.task))["payload"] == [5]


async def test_what_can_not_be_folded_costs_no_worker(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "launch", None)
    bad = await joined(rig, "Sum", [1], [0])
    await rig.start(plugins=PUBLISHING)
    assert (await rig.ended(bad, WITHIN)).message == CANT + "merge raised ZeroDivisionError: by nought"


async def test_a_merge_that_returns_no_json_fails_a_task_that_runs_in_a_process(rig: Rig) -> None:
    bad = await joined(rig, "Sum", [1], [-1])
    await rig.start(plugins=PUBLISHING)
    facts = await rig.ended(bad, WITHIN)
    assert facts.state is State.FAILED
    assert (facts.message or "").startswith(CANT + "merge returned what is no JSON")


async def test_a_retry_from_history_of_what_can_not_be_folded_is_refused(rig: Rig) -> None:
    bad = await joined(rig, "Sum", [1], [0])
    kernel = await rig.start(plugins=PUBLISHING)
    await rig.ended(bad, WITHIN)
    with pytest.raises(PayloadInvalid, match=f"task {bad} can't be asked for again: {CANT}"):
        await kernel.retry(bad, Caller("eve", 1))
