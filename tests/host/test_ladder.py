"""Every rung of the ladder, in threads and in processes, and what becomes of those that ignore the last one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from windlass.core.lifecycle import State
from windlass.host.kernel import Kernel

from tests.host.rig import Rig, asked, stop
from tests.host.test_executors import STEP, WITHIN, gone, processes, result
from tests.waiting import eventually


async def traced(file: Path) -> int:
    """What an act left in its file: its pid, or that of what it started."""
    await eventually(file.exists, WITHIN)
    return int(file.read_text())  # noqa: ASYNC240 - a few bytes


async def interrupted(rig: Rig, kernel: Kernel, act: str, kind: str, file: Path) -> tuple[int, int]:
    """A task that was interrupted in the midst of an act, and the pid of the act."""
    task = await rig.act(act, kind=kind, file=str(file))
    pid = await traced(file)
    await kernel.interrupt(asked(task))
    return task, pid


@pytest.mark.parametrize(
    ("kind", "act", "how"),
    [
        ("InProcess", "listens", "it ended when asked"),
        ("InProcess", "waits", "it was cancelled"),
        ("InProcess", "ignores_exceptions", "it was terminated"),
        ("InProcess", "holds_the_interpreter", "it was terminated"),
        ("InProcess", "ignores_everything", "it was killed"),
        ("InProcess", "hangs_with_a_daemon", "it was killed"),
        ("InProcess", "floods_for_ever", "it was killed"),
        ("AsyncInProcess", "listens", "it ended when asked"),
        ("AsyncInProcess", "waits", "it was cancelled"),
        ("AsyncInProcess", "blocks", "it was terminated"),
        ("InThread", "listens", "it ended when asked"),
        ("InThread", "waits", "it was cancelled"),
    ],
)
async def test_the_rung_that_worked_is_kept_and_the_slot_comes_back(
    rig: Rig, tmp_path: Path, kind: str, act: str, how: str
) -> None:
    kernel = await rig.start(slots=1)
    task, pid = await interrupted(rig, kernel, act, kind, tmp_path / "pid")
    facts = await rig.ended(task, within=5)
    assert (facts.state, facts.message) == (State.CANCELED, f"interrupted by ada; {how}")
    if pid != os.getpid() and how != "it ended when asked":
        assert gone(pid)
    assert result(await rig.ended(await rig.act("succeeds", kind=kind), WITHIN))
    assert kernel.node.leaks == 0


async def test_words_said_while_the_ladder_is_climbed_are_kept(rig: Rig, tmp_path: Path) -> None:
    kernel = await rig.start()
    for kind in ("InProcess", "InThread"):
        task, _ = await interrupted(rig, kernel, "waits", kind, tmp_path / kind)
        await rig.ended(task)
        assert "was interrupted" in await rig.texts(task, STEP)


async def test_cleanup_runs_in_the_node_after_a_kill(rig: Rig, tmp_path: Path) -> None:
    kernel = await rig.start()
    task, _ = await interrupted(rig, kernel, "ignores_everything", "Tidy", tmp_path / "pid")
    assert (await rig.ended(task)).message == "interrupted by ada; it was killed"
    assert await rig.texts(task, STEP) == [f"tidied up in {os.getpid()}"]


async def test_a_handler_that_stops_its_guard_is_killed_all_the_same(rig: Rig, tmp_path: Path) -> None:
    kernel = await rig.start(slots=1)
    task, pid = await interrupted(rig, kernel, "stops_its_guard", "InProcess", tmp_path / "pid")
    assert (await rig.ended(task, WITHIN)).state is State.CANCELED
    await eventually(lambda: gone(pid))
    await eventually(lambda: kernel.node.leaks == 0)


async def test_a_thread_that_ignores_everything_is_abandoned_counted_and_forgotten_when_it_ends(
    rig: Rig, tmp_path: Path
) -> None:
    kernel = await rig.start(slots=1, leak_limit=0)
    task, _ = await interrupted(rig, kernel, "ignores_exceptions", "InThread", tmp_path / "pid")
    facts = await rig.ended(task, within=5)
    assert facts.message == "interrupted by ada; it ignored being cancelled and was abandoned"
    assert result(await rig.ended(await rig.act("succeeds", kind="InThread"), within=5)), "its slot is lost"
    assert kernel.node.leaks == 1
    assert kernel.node.worn_out.is_set()
    await eventually(lambda: kernel.node.leaks == 0, within=15)


async def test_an_abandoned_inline_handler_is_counted_until_it_ends(rig: Rig) -> None:
    async def ignores(ctx: object) -> object:
        await rig.theatre.stay()
        return None

    kernel = await rig.start(slots=1, leak_limit=1)
    for count in (1, 2):
        task = await rig.enqueue(ignores)  # type: ignore[arg-type]
        await rig.began(task)
        assert not kernel.node.worn_out.is_set()
        await kernel.interrupt(asked(task))
        await rig.ended(task)
        assert kernel.node.leaks == count
    assert kernel.node.worn_out.is_set(), "one more than the limit"
    rig.theatre.released.set()
    await eventually(lambda: kernel.node.leaks == 0)


@pytest.mark.parametrize("act", ["listens", "ignores_everything", "floods_for_ever"])
async def test_a_shutdown_hands_the_attempt_of_a_process_back_and_leaves_no_process(
    rig: Rig, tmp_path: Path, act: str
) -> None:
    kernel = await rig.start(drain_grace=0.1)
    task = await rig.act(act, file=str(tmp_path / "pid"))
    pid = await traced(tmp_path / "pid")
    await stop(kernel)
    rig.kernels.remove(kernel)
    assert gone(pid)
    [end] = rig.execute("select verdict, message from windlass.attempt where task = %s", task)
    assert end[1] == "handed back by a shutdown"
    assert (await rig.task(task)).uncounted == 1


async def test_a_thread_is_handed_back_by_a_shutdown(rig: Rig, tmp_path: Path) -> None:
    kernel = await rig.start(drain_grace=0.1)
    task = await rig.act("waits", kind="InThread", file=str(tmp_path / "pid"))
    await traced(tmp_path / "pid")
    await stop(kernel)
    rig.kernels.remove(kernel)
    assert (await rig.task(task)).uncounted == 1


async def test_a_process_whose_task_is_anothers_is_ended_and_hands_nothing_in(rig: Rig, tmp_path: Path) -> None:
    await rig.start(slots=1)
    task = await rig.act("ignores_everything", kind="Tidy", file=str(tmp_path / "pid"))
    pid = await traced(tmp_path / "pid")
    [kernel] = rig.kernels
    execution = kernel.node._executions[task]
    # As a claim of the next attempt, by another node, would leave it; the next word is refused.
    rig.execute("update windlass.running set attempt = attempt + 1, node = 0 where id = %s", task)
    await execution.ctx.step("hello?")
    await eventually(lambda: gone(pid))
    assert result(await rig.ended(await rig.act("succeeds"), WITHIN)), "the slot did not come back"
    assert rig.execute("select count(*) from windlass.outcome where id = %s", task) == [(0,)]


async def test_an_interrupt_that_is_faster_than_the_worker_is_heeded(rig: Rig, tmp_path: Path) -> None:
    kernel = await rig.start(slots=1)
    task = await rig.act("listens", kind="Patient", file=str(tmp_path / "pid"))
    await eventually(lambda: task in kernel.node._executions)
    await kernel.interrupt(asked(task))
    assert not (tmp_path / "pid").exists(), "the worker was faster"
    assert (await rig.ended(task)).message == "interrupted by ada; it ended when asked"
    assert result(await rig.ended(await rig.act("succeeds"), WITHIN))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("silent", "it said nothing for 0.2 s; it ended when asked"),
        ("chatty", "it ran longer than 0.3 s; it ended when asked"),
    ],
)
async def test_an_attempt_over_a_deadline_is_tried_again_and_says_which(rig: Rig, act: str, message: str) -> None:
    await rig.start(slots=1)
    await rig.ended(await rig.act("succeeds"), WITHIN)  # so that a worker is warm
    task = await rig.act(act, kind="Hurried", attempt_limit=2, retry_pause=0.0)
    facts = await rig.ended(task, WITHIN)
    assert (facts.state, facts.attempt, facts.uncounted) == (State.FAILED, 2, 0)
    ends = rig.execute("select message from windlass.attempt where task = %s order by attempt", task)
    assert ends[0] == (message,)
    assert facts.message == f"{message} (attempt 2 of 2, the last)"


async def test_an_attempt_over_a_deadline_that_ignores_it_is_killed(rig: Rig, tmp_path: Path) -> None:
    await rig.start(slots=1)
    await rig.ended(await rig.act("succeeds"), WITHIN)
    task = await rig.act("ignores_everything", kind="Hurried", file=str(tmp_path / "pid"))
    facts = await rig.ended(task, WITHIN)
    assert facts.message == "it said nothing for 0.2 s; it was killed (attempt 1 of 1, the last)"


async def test_an_interrupt_wins_over_a_deadline_that_is_being_enforced(rig: Rig, tmp_path: Path) -> None:
    kernel = await rig.start(slots=1)
    await rig.ended(await rig.act("succeeds"), WITHIN)
    task = await rig.act("ignores_everything", kind="Hurried", file=str(tmp_path / "pid"))
    await eventually(lambda: task in kernel.node._executions)
    execution = kernel.node._executions[task]
    await eventually(lambda: execution._overdue)
    await kernel.interrupt(asked(task))
    facts = await rig.ended(task, WITHIN)
    assert (facts.state, facts.message) == (State.CANCELED, "interrupted by ada; it was killed")


async def test_workers_do_not_outlive_the_kernel(rig: Rig) -> None:
    kernel = await rig.start()
    pid = result(await rig.ended(await rig.act("succeeds"), WITHIN))["pid"]
    assert processes(kernel).warm == [pid]
    await stop(kernel)
    rig.kernels.remove(kernel)
    assert gone(pid)


async def test_others_go_on_while_one_process_misbehaves(rig: Rig, tmp_path: Path) -> None:
    await rig.start(slots=3)
    for act in ("holds_the_interpreter", "ignores_everything"):
        await rig.act(act, file=str(tmp_path / act))
        await traced(tmp_path / act)
    for _ in range(3):
        assert result(await rig.ended(await rig.act("succeeds"), WITHIN))
