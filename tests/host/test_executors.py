"""What threads and processes make of a handler that ends by itself, well or badly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from windlass import Context, Outcome, Success
from windlass.core.lifecycle import State
from windlass.host.executors.processes import Processes
from windlass.host.kernel import Kernel
from windlass.store.facts import TaskFacts

from tests.host.isolated import MIB
from tests.host.rig import Rig, asked
from tests.waiting import eventually

STAGE, STEP, OUTPUT = 2, 3, 5
WITHIN = 40.0
BOTH = pytest.mark.parametrize("kind", ["InProcess", "InThread"])


def result(facts: TaskFacts) -> Any:
    assert facts.state is State.COMPLETED, facts.message
    assert facts.result is not None
    return json.loads(facts.result)


def processes(kernel: Kernel) -> Processes:
    executor = kernel._plugins.executors["process"]
    assert isinstance(executor, Processes)
    return executor


async def output(rig: Rig, task: int, stream: int = 1) -> bytes:
    return b"".join(
        event.data or b"" for event in await rig.events(task) if event.type == OUTPUT and event.stream == stream
    )


def gone(pid: int) -> bool:
    """Whether no such process runs any more; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


@BOTH
async def test_a_blocking_handler_knows_its_task_and_hands_its_result_back(rig: Rig, kind: str) -> None:
    await rig.start()
    task = await rig.act("succeeds", kind=kind)
    said = result(await rig.ended(task, WITHIN))
    assert (said["task"], said["attempt"]) == (task, 1)
    assert (said["pid"] == os.getpid()) is (kind == "InThread")


@BOTH
async def test_a_blocking_handler_says_the_same_words(rig: Rig, kind: str) -> None:
    await rig.start()
    task = await rig.act("speaks", kind=kind)
    await rig.ended(task, WITHIN)
    assert await rig.texts(task, STAGE) == ["speaking"]
    [step] = [event for event in await rig.events(task) if event.type == STEP]
    assert (step.text, json.loads(step.data or b"")) == ("hello", {"who": "world"})
    assert await output(rig, task) == b"raw\n"


@BOTH
async def test_the_progress_of_a_blocking_handler_is_seen_while_it_runs(rig: Rig, kind: str) -> None:
    kernel = await rig.start()
    task = await rig.act("chatty", kind=kind)

    async def shown() -> bool:
        facts = await rig.task(task)
        return (facts.progress_current or 0) > 2 and facts.progress_total == 1000

    await eventually(shown, WITHIN)
    await kernel.interrupt(asked(task))
    assert (await rig.ended(task)).message == "interrupted by ada; it ended when asked"


@BOTH
@pytest.mark.parametrize(
    ("act", "state", "message"),
    [
        ("fails", State.FAILED, "no"),
        ("rejects", State.FAILED, "bad input"),
        ("retries", State.FAILED, "not yet (attempt 1 of 1, the last)"),
        ("raises", State.FAILED, "Unnameable: oh no (attempt 1 of 1, the last)"),
        ("says_half_a_pair", State.FAILED, "a?b"),
        ("leaves", State.FAILED, "SystemExit: 3 (attempt 1 of 1, the last)"),
        ("returns_nothing", State.FAILED, "returned NoneType, not Success, Failed or Retry"),
        ("returns_no_json", State.FAILED, "the result can't be kept as JSON"),
        ("says_too_much", State.FAILED, "ValueError: a step's data has"),
    ],
)
async def test_a_blocking_handler_ends_as_it_says(rig: Rig, kind: str, act: str, state: State, message: str) -> None:
    await rig.start()
    facts = await rig.ended(await rig.act(act, kind=kind), WITHIN)
    assert facts.state is state
    assert message in (facts.message or "")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("drops_dead", "the worker process exited with code 7"),
        ("crashes", "the worker process was killed by SIGSEGV"),
    ],
)
async def test_a_worker_that_dies_is_a_retry_that_says_how(rig: Rig, act: str, message: str) -> None:
    await rig.start(slots=1)
    task = await rig.act(act, attempt_limit=2, retry_pause=0.0)
    facts = await rig.ended(task, WITHIN)
    assert (facts.state, facts.attempt) == (State.FAILED, 2)
    assert message in (facts.message or "")
    if act == "drops_dead":
        assert await output(rig, task) == b"last words\n" * 2
    assert result(await rig.ended(await rig.act("succeeds"), WITHIN)), "the slot did not come back"


async def test_a_payload_that_does_not_fit_fails_at_once_and_leaves_nothing_to_tidy(rig: Rig) -> None:
    await rig.start()
    for kind in ("Tidy", "InThread"):
        facts = await rig.ended(await rig.act(7, kind=kind), WITHIN)  # type: ignore[arg-type]
        assert facts.state is State.FAILED
        assert f"the payload does not fit {kind}" in (facts.message or "")
        assert await rig.texts(facts.id, STEP) == []


async def test_cleanup_runs_in_the_node_however_the_process_ended(rig: Rig) -> None:
    await rig.start()
    for act in ("succeeds", "drops_dead"):
        task = await rig.act(act, kind="Tidy")
        await rig.ended(task, WITHIN)
        assert await rig.texts(task, STEP) == [f"tidied up in {os.getpid()}"]


async def test_what_a_process_and_its_children_print_is_output_of_the_task(rig: Rig) -> None:
    await rig.start()
    task = await rig.act("prints")
    await rig.ended(task, WITHIN)
    assert await output(rig, task) == b"printed\nwritten\nfrom a child\n"
    assert await output(rig, task, stream=2) == b"complained\n"


async def test_a_flood_of_output_keeps_its_head_and_its_tail(rig: Rig) -> None:
    await rig.start()
    task = await rig.act("floods")
    assert (await rig.ended(task, WITHIN)).state is State.COMPLETED
    kept = await output(rig, task)
    dropped = sum(event.dropped for event in await rig.events(task))
    assert len(kept) + dropped == 16 * MIB + len(b"the end\n")
    assert kept.endswith(b"xxxthe end\n")


async def test_a_worker_is_used_again_and_reaped_when_nobody_needs_it(rig: Rig) -> None:
    kernel = await rig.start()
    first = result(await rig.ended(await rig.act("succeeds"), WITHIN))["pid"]
    second = result(await rig.ended(await rig.act("succeeds"), WITHIN))["pid"]
    assert first == second
    assert processes(kernel).warm == [first]
    processes(kernel)._idle_seconds = 0.01
    third = result(await rig.ended(await rig.act("succeeds"), WITHIN))["pid"]
    assert third == first
    await eventually(lambda: gone(first))
    assert processes(kernel).warm == []


async def test_a_worker_that_dies_between_two_tasks_is_missed_by_none(rig: Rig) -> None:
    kernel = await rig.start()
    first = result(await rig.ended(await rig.act("succeeds"), WITHIN))["pid"]
    os.kill(first, signal.SIGKILL)
    # Enqueued before anybody can have noticed.
    task = await rig.act("succeeds")
    facts = await rig.ended(task, WITHIN)
    assert result(facts)["pid"] != first
    assert facts.attempt == 1, "the task paid for it"
    await eventually(lambda: len(processes(kernel).warm) == 1)


async def test_there_are_never_more_workers_than_slots(rig: Rig) -> None:
    kernel = await rig.start(slots=2)
    most = 0

    def all_over() -> bool:
        nonlocal most
        executor = processes(kernel)
        most = max(most, len(executor._running) + len(executor._idle))
        return not pending

    pending = [await rig.act("succeeds", kind=kind) for kind in ("Idle", "InProcess", "Idle") * 4]
    pids = set()

    async def collect() -> None:
        while pending:
            facts = await rig.ended(pending[0], WITHIN)
            if facts.kind != "Idle" or facts.result:
                pids.add(json.loads(facts.result or b"{}").get("pid"))
            pending.pop(0)

    collecting = asyncio.create_task(collect())
    await eventually(all_over, WITHIN)
    await collecting
    assert most == 2
    assert len(pids) == 2


async def test_a_task_that_eats_memory_meets_its_limit_and_nobody_else_does(rig: Rig) -> None:
    await rig.start(slots=1)
    facts = await rig.ended(await rig.act("eats", kind="Limited"), WITHIN)
    assert facts.state is State.FAILED
    assert facts.message == "MemoryError (attempt 1 of 1, the last)"
    assert (await rig.ended(await rig.act("succeeds", kind="Limited"), WITHIN)).state is State.COMPLETED


async def test_what_a_task_leaves_behind_is_killed_with_its_worker(rig: Rig, tmp_path: Path) -> None:
    await rig.start(slots=1)
    trace = tmp_path / "daemon"
    first = result(await rig.ended(await rig.act("leaves_a_daemon", file=str(trace)), WITHIN))["pid"]
    assert gone(int(trace.read_text()))
    assert result(await rig.ended(await rig.act("succeeds"), WITHIN))["pid"] != first


async def test_a_worker_that_dies_takes_its_daemons_with_it(rig: Rig, tmp_path: Path) -> None:
    await rig.start(slots=1)
    trace = tmp_path / "daemon"
    await rig.ended(await rig.act("dies_with_a_daemon", file=str(trace)), WITHIN)
    assert gone(int(trace.read_text()))


async def test_an_async_handler_can_ask_for_a_process(rig: Rig) -> None:
    await rig.start()
    task = await rig.act("succeeds", kind="AsyncInProcess")
    pid = result(await rig.ended(task, WITHIN))["pid"]
    assert pid != os.getpid()
    assert await rig.texts(task, STEP) == [f"in {pid}"]


async def test_a_kind_that_workers_do_not_know_is_tried_again_and_says_so(rig: Rig) -> None:
    kernel = await rig.start()
    processes(kernel)._recipe = type(processes(kernel)._recipe)(installed=False)
    facts = await rig.ended(await rig.act("succeeds"), WITHIN)
    assert "the worker process does not know the kind InProcess" in (facts.message or "")


async def test_workers_that_can_not_load_the_plugins_are_a_retry_that_says_why(rig: Rig) -> None:
    kernel = await rig.start()
    recipe = processes(kernel)._recipe
    processes(kernel)._recipe = type(recipe)(modules={"absent": "tests.host.no_such_module"}, installed=False)
    facts = await rig.ended(await rig.act("succeeds"), WITHIN)
    assert "no worker process could be started" in (facts.message or "")
    assert "no_such_module" in (facts.message or "")


async def test_an_inline_attempt_costs_one_task_and_no_future_of_the_executors(rig: Rig) -> None:
    seen: set[asyncio.Task[Any]] = set()

    async def looks(ctx: Context) -> Outcome:
        seen.add(asyncio.current_task())  # type: ignore[arg-type]
        return Success(len(asyncio.all_tasks()))

    await rig.start(slots=1)
    before = len(asyncio.all_tasks())
    assert result(await rig.ended(await rig.enqueue(looks))) <= before + 1
    assert len(seen) == 1
