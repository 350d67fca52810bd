"""Children with real nodes: whose they are, when they are the same, and how they end with their parent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from windlass import Context, Outcome, Retry, Success
from windlass.core.lifecycle import State
from windlass.errors import AttemptSuperseded, PayloadInvalid, RequestIdReused, TaskInterrupted, UnknownKind
from windlass.store.facts import TaskFacts

from tests.contract.facts import new_task
from tests.host.rig import ForgetfulQueue, Rig, asked
from tests.waiting import eventually

WITHIN = 40.0
STEP = 3
PUBLISHING = {"publishing": "tests.host.publishing"}
BLOCKING = pytest.mark.parametrize("kind", ["ThreadScene", "ProcessScene"])


async def scene(rig: Rig, name: str, kind: str, *, file: Path | str = "", **changes: Any) -> int:
    """Enqueue one of the scenes of tests.host.publishing."""
    task = new_task(kind=kind, payload=json.dumps({"name": name, "file": str(file)}), **changes)
    [receipt] = await rig.store.queue.enqueue([task])
    for kernel in rig.kernels:
        kernel.node.stored([task])
    return receipt.task


async def result(rig: Rig, task: int) -> Any:
    facts = await rig.ended(task, WITHIN)
    assert facts.state is State.COMPLETED, facts.message
    return json.loads(facts.result or b"null")


async def children(rig: Rig, parent: int) -> list[TaskFacts]:
    rows = rig.execute("select id from windlass.task where parent = %s order by id", parent)
    return [await rig.task(row[0]) for row in rows]


async def test_a_child_names_its_parent_and_runs_on_behalf_of_whoever_that_was(rig: Rig) -> None:
    async def makes(ctx: Context) -> Outcome:
        return Success(await ctx.enqueue("Part", {"number": 7}, title="part seven"))

    await rig.start(plugins=PUBLISHING)
    for origin, initiator in ((1, "ada"), (2, "Scheduler")):
        parent = await rig.enqueue(makes, origin=origin, initiator=initiator, priority=8)
        child = await rig.ended(await result(rig, parent))
        assert (child.origin, child.initiator, child.trigger, child.parent) == (origin, initiator, "parent", parent)
        assert (child.priority, child.title, child.result) == (8, "part seven", b"7")


async def test_what_a_child_is_asked_wins_over_what_its_parent_has(rig: Rig) -> None:
    async def makes(ctx: Context) -> Outcome:
        later = await ctx.enqueue("Part", priority=2, delay=3600.0, trigger="feed_update")
        return Success([later, await ctx.enqueue("Part", run_limit=5.0)])

    await rig.start(plugins=PUBLISHING)
    later, limited = await result(rig, await rig.enqueue(makes, priority=8))
    facts = await rig.task(later)
    assert (facts.priority, facts.state, facts.trigger) == (2, State.PENDING, "feed_update")
    request = await rig.store.library.request(limited)
    assert request is not None
    assert request.run_limit == 5.0


async def test_a_repeated_attempt_makes_the_same_child_by_name_and_a_new_one_without(rig: Rig) -> None:
    made: list[tuple[int, int]] = []

    async def makes(ctx: Context) -> Outcome:
        made.append((await ctx.enqueue("Part", name="one"), await ctx.enqueue("Part")))
        # What somebody changes between two attempts is no reason to take it for another child.
        rig.execute("update windlass.deferred set priority = 9")
        rig.execute("update windlass.running set priority = 9 where id = %s", ctx.task.id)
        return Retry("again") if ctx.task.attempt == 1 else Success()

    await rig.start(plugins=PUBLISHING)
    parent = await rig.enqueue(makes)
    await result(rig, parent)
    (named, unnamed), (named_again, unnamed_again) = made
    assert named == named_again
    assert unnamed != unnamed_again
    assert len(await children(rig, parent)) == 3


async def test_names_are_each_parents_own_and_each_childs_own(rig: Rig) -> None:
    async def makes(ctx: Context) -> Outcome:
        child = await ctx.enqueue("Part", name="one")
        with pytest.raises(RequestIdReused, match="has made another child by the name 'one' before"):
            await ctx.enqueue("Part", {"number": 2}, name="one")
        return Success(child)

    await rig.start(plugins=PUBLISHING)
    first, second = [await result(rig, await rig.enqueue(makes)) for _ in range(2)]
    assert first != second


async def test_what_can_not_be_enqueued_is_refused_where_it_is_asked(rig: Rig) -> None:
    async def makes(ctx: Context) -> Outcome:
        with pytest.raises(UnknownKind, match="did you mean Part"):
            await ctx.enqueue("Prat")
        with pytest.raises(PayloadInvalid, match="does not fit Part"):
            await ctx.enqueue("Part", {"number": "x"})
        with pytest.raises(TypeError, match="can't be asked for nmae"):
            await ctx.enqueue("Part", nmae="x")  # type: ignore[call-arg]
        return Success()

    await rig.start(plugins=PUBLISHING)
    parent = await rig.enqueue(makes)
    await result(rig, parent)
    assert await children(rig, parent) == []


async def test_an_answer_that_gets_lost_makes_no_second_child(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def makes(ctx: Context) -> Outcome:
        return Success([await ctx.enqueue("Part"), await ctx.enqueue("Part", name="one")])

    monkeypatch.setattr("windlass.host.patience.RETRY_PAUSE", 0.01)
    forgetful: Any = ForgetfulQueue(rig.store.queue, enqueue_children=3)
    monkeypatch.setattr(rig.store, "queue", forgetful)
    await rig.start(plugins=PUBLISHING)
    parent = await rig.enqueue(makes)
    made = await result(rig, parent)
    assert forgetful.lost["enqueue_children"] == 3
    assert [child.id for child in await children(rig, parent)] == made


async def test_a_superseded_attempt_makes_no_children_and_is_stopped(rig: Rig) -> None:
    refused: list[type[BaseException]] = []

    async def makes(ctx: Context) -> Outcome:
        # The task is somebody else's, and nobody told this node.
        rig.execute("update windlass.running set attempt = attempt + 1")
        for _ in range(2):
            try:
                await ctx.enqueue("Part")
            except BaseException as error:  # noqa: BLE001 - which one is what is asked
                refused.append(type(error))
        return Success()

    await rig.start(plugins=PUBLISHING)
    parent = await rig.enqueue(makes)
    await eventually(lambda: len(refused) == 2)
    assert refused[0] is AttemptSuperseded
    assert await children(rig, parent) == []
    assert rig.count("outcome") == 0, "its end was accepted"


async def test_an_interrupted_parent_ends_its_children_and_makes_no_more(rig: Rig) -> None:
    refused: list[str] = []

    async def makes(ctx: Context) -> Outcome:
        await ctx.enqueue("Part", delay=3600.0)
        await ctx.cancelled.wait()
        try:
            await ctx.enqueue("Part")
        except TaskInterrupted as error:
            refused.append(error.message)
        return Success()

    kernel = await rig.start(plugins=PUBLISHING)
    parent = await rig.enqueue(makes)
    await eventually(lambda: rig.count("task") == 2)
    await kernel.interrupt(asked(parent))
    assert (await rig.ended(parent)).message == "interrupted by ada; it ended when asked"
    assert refused == [f"task {parent} is being interrupted: it makes no children"]
    [child] = await children(rig, parent)
    assert child.state is State.CANCELED
    assert child.message == f"interrupted by ada: its parent {parent} was interrupted"


@BLOCKING
async def test_a_blocking_handler_makes_children(rig: Rig, kind: str) -> None:
    await rig.start(plugins=PUBLISHING)
    parent = await scene(rig, "makes_children", kind, priority=7)
    first, second, again = await result(rig, parent)
    assert first == again
    assert [child.id for child in await children(rig, parent)] == [first, second]
    assert (await rig.ended(second)).priority == 9
    one = await rig.task(first)
    assert (one.title, one.priority, one.labels, one.initiator) == ("part one", 7, b'{"of": "it"}', "ada")


@BLOCKING
async def test_what_a_blocking_handler_can_not_enqueue_is_refused_where_it_is_asked(rig: Rig, kind: str) -> None:
    await rig.start(plugins=PUBLISHING)
    assert await result(rig, await scene(rig, "makes_what_does_not_fit", kind)) == [
        "UnknownKind",
        "PayloadInvalid",
        "TypeError",
        "TypeError",
        "TypeError",
        "InvalidArgument",
        "TaskNotFound",
    ]


@BLOCKING
async def test_a_superseded_blocking_handler_makes_no_children(rig: Rig, kind: str, tmp_path: Path) -> None:
    kernel = await rig.start(plugins=PUBLISHING)
    parent = await scene(rig, "makes_one_when_told", kind, file=tmp_path / "go")
    await eventually(lambda: _said(rig, parent, "ready"), WITHIN)
    rig.execute("update windlass.running set attempt = attempt + 1")
    (tmp_path / "go").touch()
    await eventually(lambda: not kernel.node._executions, WITHIN)
    assert not (tmp_path / "go.made").exists()
    assert await children(rig, parent) == []


async def _said(rig: Rig, task: int, text: str) -> bool:
    return text in await rig.texts(task, STEP)
