"""A privileged call has its row in the audit log exactly when it had its effect."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from windlass.core.access import Role
from windlass.core.schedules import Schedule
from windlass.errors import KindNotFound, PoolNotFound, RequestIdReused, ScheduleNotFound, TaskNotFound, TaskOver
from windlass.store.facts import Asked, Note
from windlass.store.pools import KindFacts

from tests.contract.facts import new_task


def note(resource: str = "tasks/1", reason: str = "because") -> Note:
    return Note("ada", "tokens/1", Role.OPERATOR, "windlass.v1.Tasks/Interrupt", resource, reason, '{"name": "x"}')


async def resources(store: Any) -> list[str]:
    return [entry.note.resource for entry in (await store.audit.entries(100)).items]


async def test_what_was_noted_is_read_as_it_was_written(store: Any) -> None:
    [made] = await store.queue.enqueue([new_task()])
    await store.queue.interrupt(Asked(made.task, "ada", ""), note())
    [entry] = (await store.audit.entries(10)).items
    assert entry.id > 0
    assert entry.at is not None
    assert (entry.note.subject, entry.note.role, entry.note.reason) == ("ada", Role.OPERATOR, "because")


async def test_a_call_whose_effect_is_elsewhere_is_written_down_by_itself(store: Any) -> None:
    for resource in ("operations/a.b", "operations/a.b"):
        await store.audit.write(note(resource))
    assert await resources(store) == ["operations/a.b"] * 2
    assert (await store.audit.entries(1)).items[0].note == note("operations/a.b")


async def test_pages_lead_from_the_newest_to_the_oldest(store: Any) -> None:
    made = await store.queue.enqueue([new_task() for _ in range(5)])
    for receipt in made:
        await store.queue.interrupt(Asked(receipt.task, "ada", ""), note(f"tasks/{receipt.task}"))
    first = await store.audit.entries(3)
    rest = await store.audit.entries(3, *first.after)
    found = [entry.note.resource for entry in (*first.items, *rest.items)]
    assert found == [f"tasks/{receipt.task}" for receipt in reversed(made)]
    assert rest.after is None


async def test_each_effect_has_one_row(store: Any) -> None:
    await store.pools.register({"default": 1}, [KindFacts("Echo", "default", 10, 30.0)])
    [made] = await store.queue.enqueue([new_task()])
    await store.queue.reprioritize(made.task, 9, note("1"))
    await store.queue.interrupt(Asked(made.task, "ada", ""), note("2"))
    await store.pools.resize("default", 2, note("3"))
    await store.pools.pause_pool("default", "ada", "", note("4"))
    await store.pools.resume_pool("default", note("5"))
    await store.pools.pause_kind("Echo", "ada", "", note("6"))
    await store.pools.resume_kind("Echo", note("7"))
    await store.schedules.put(Schedule("often", "Echo", interval=60), owner=None, note=note("8"))
    await store.schedules.pause("often", paused=True, note=note("9"))
    await store.schedules.run_now("often", new_task(note=note("10")), "ada")
    await store.schedules.delete("often", owner=None, note=note("11"))
    await store.queue.enqueue_each([new_task(note=note("12")), new_task()])
    await store.queue.enqueue(
        [new_task(coalesce_key="k", note=note("13")), new_task(coalesce_key="k", note=note("14"))]
    )
    assert await resources(store) == [str(n) for n in range(14, 0, -1)]


async def test_what_had_no_effect_has_no_row(store: Any) -> None:
    first = uuid4()
    [made] = await store.queue.enqueue([new_task(request_id=first, body_hash=b"a")])
    await store.queue.interrupt(Asked(made.task, "ada", ""))
    with pytest.raises(TaskOver):
        await store.queue.interrupt(Asked(made.task, "ada", ""), note())
    with pytest.raises(TaskOver):
        await store.queue.reprioritize(made.task, 9, note())
    with pytest.raises(TaskNotFound):
        await store.queue.interrupt(Asked(made.task + 1_000, "ada", ""), note())
    with pytest.raises(PoolNotFound):
        await store.pools.resize("nowhere", 1, note())
    with pytest.raises(KindNotFound):
        await store.pools.pause_kind("Nothing", "ada", "", note())
    with pytest.raises(ScheduleNotFound):
        await store.schedules.pause("never", paused=True, note=note())
    with pytest.raises(ScheduleNotFound):
        await store.schedules.run_now("never", new_task(note=note()), "ada")
    [again] = await store.queue.enqueue_each([new_task(request_id=first, body_hash=b"a", note=note())])
    assert again.repeated
    with pytest.raises(RequestIdReused):
        await store.queue.enqueue([new_task(request_id=first, body_hash=b"b", note=note())])
    assert await resources(store) == []
