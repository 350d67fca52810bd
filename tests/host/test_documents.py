"""Documents with real nodes: wherever a handler runs, behind every door, and never in a superseded attempt's hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from windlass import AttemptSuperseded, Context, Document, Door, HealthSection, Outcome, Success, hookimpl
from windlass.core.access import Role
from windlass.errors import StoreUnavailable
from windlass.host.admission import Caller
from windlass.host.documents import Archive
from windlass.store.documents import Documents
from windlass.store.facts import Note

from tests.contract.facts import new_task
from tests.host.rig import Rig
from tests.host.test_children import WITHIN, result
from tests.waiting import eventually

REFUSALS = [
    "DocumentChanged: document 'x' is at version 2, not 1: read ",
    "ValueError: document 'x' has 262146 bytes as JSON; at most ",
    "TypeError: Encoding objects of type object is unsupported",
    "ValueError: a document's name is text of 1 to 200 character",
    "ValueError: a document's name is text of 1 to 200 character",
    "ValueError: a document's name is text of 1 to 200 character",
    "ValueError: keep is how many versions stay, 1 to 100, not 0",
    "ValueError: limit is 1 to 100 documents, not 1000",
]


class Theirs:
    """Another plugin: its health is the names it sees."""

    @hookimpl
    async def windlass_startup(self, kernel: Door) -> None:
        await kernel.documents.put("mine", 1)

    @hookimpl
    async def windlass_health(self, kernel: Door) -> HealthSection:
        return HealthSection("Theirs", str([one.name for one in await kernel.documents.list()]))


def documents(rig: Rig, plugin: str = "filing") -> Any:
    return Archive(rig.store.documents).of_caller(plugin, "the test")


async def file(rig: Rig, kind: str, name: str) -> int:
    task = new_task(kind=kind, payload=json.dumps(name))
    [receipt] = await rig.store.queue.enqueue([task])
    rig.kernels[0].node.stored([task])
    return receipt.task


@pytest.mark.parametrize("kind", ["InlineFiling", "ThreadFiling", "ProcessFiling", "AsyncFiling"])
async def test_wherever_a_handler_runs_it_keeps_documents_and_hears_what_is_refused(rig: Rig, kind: str) -> None:
    await rig.start(plugins={"filing": "tests.host.filing"})
    task = await file(rig, kind, "x")
    nothing, first, second, kept, other, listed, gone, gone_before, *refusals = await result(rig, task)
    assert (nothing, first, second, other, gone, gone_before) == (None, 1, 2, 1, True, False)
    assert (kept["version"], kept["value"], kept["by"]) == (1, {"n": [1, None]}, f"task {task}")
    assert [(one["name"], one["version"], one["value"]) for one in listed] == [("x", 2, "second")]
    assert refusals == REFUSALS
    found = await documents(rig).get("x")
    assert isinstance(found, Document)
    assert (found.value, found.by) == ("second", f"task {task}")


async def test_every_door_of_a_plugin_leads_to_its_own_documents_and_to_no_others(rig: Rig) -> None:
    kernel = await rig.start(plugins={"filing": "tests.host.filing", "theirs": Theirs()})
    note = Note("ada", "token 1", Role.OPERATOR, "Call", "filing.note")
    answer = await kernel.operations.call("filing.note", b'{"a":1}', Caller("ada", 1, Role.OPERATOR), note)
    noted = await documents(rig).get("noted")
    assert (answer, noted.value, noted.by) == (b"1", {"a": 1}, "ada")
    assert (await documents(rig).get("started")).by == "Scheduler"
    sections = {one.name: one.summary for one in (await kernel.overview.picture()).sections}
    assert sections == {"filing": "started 1 times", "theirs": "['mine']"}


async def test_a_handlers_plugin_is_whose_documents_it_has(rig: Rig) -> None:
    async def puts(ctx: Context) -> Outcome:
        return Success([await ctx.documents.put("x", 1), len(await ctx.documents.list())])

    await rig.start(plugins={"filing": "tests.host.filing"})
    await documents(rig, "filing").put("x", 0)
    assert await result(rig, await rig.enqueue(puts)) == [1, 1]
    assert (await documents(rig, "theatre").get("x")).value == 1


async def test_an_attempt_that_lost_its_task_writes_nothing_and_ends(rig: Rig) -> None:
    said: list[str] = []

    async def outlives_itself(ctx: Context) -> Outcome:
        if ctx.task.attempt > 1:
            return Success("again")
        kernel.node.dispatchers[0].hold(0)
        rig.execute("delete from windlass.running where id = %s", ctx.task.id)
        try:
            await ctx.documents.put("x", 1)
        except AttemptSuperseded as error:
            said.append(error.message)
        try:
            await ctx.documents.delete("x")
        except AttemptSuperseded as error:
            said.append(error.message)
        return Success()

    kernel = await rig.start()
    task = await rig.enqueue(outlives_itself)
    await rig.began(task)
    await eventually(lambda: len(said) == 2, WITHIN)
    assert said == [f"attempt 1 of task {task} is superseded"] * 2
    assert await documents(rig, "theatre").list() == []


async def test_while_the_store_is_away_a_put_waits_and_a_lost_answer_stores_it_once(rig: Rig) -> None:
    class Forgetful:
        lost = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(rig.store.documents, name)

        async def put(self, *asked: Any) -> int:
            version = await rig.store.documents.put(*asked)
            if self.lost < 1:
                self.lost += 1
                raise StoreUnavailable("the answer got lost")
            return version

    forgetful: Any = Forgetful()
    assert isinstance(rig.store.documents, Documents)
    assert await Archive(forgetful).of_caller("filing", "ada").put("x", 1, expected=0, keep=9) == 1
    assert forgetful.lost == 1
