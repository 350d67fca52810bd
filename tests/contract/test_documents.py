"""The Documents contract: versions that only grow, writers who do not undo each other, and a fence."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from windlass.core.lifecycle import Verdict
from windlass.errors import AttemptSuperseded, DocumentChanged
from windlass.store.documents import NewDocument
from windlass.store.facts import Claimed, Parent
from windlass.store.port import Store

from tests.contract.facts import ask, claim, ended, expire, held, node_of, recovered

PLUGIN = "scripts"
WRITERS = 8


def new(name: str = "backup", value: str = '{"n": 1}', **changes: Any) -> NewDocument:
    facts: dict[str, Any] = {"plugin": PLUGIN, "name": name, "value": value, "by": "ada", "put_id": uuid4()}
    return NewDocument(**(facts | changes))


def writer(claimed: Claimed, node: int) -> Parent:
    return Parent(claimed.id, claimed.attempt, node)


async def names(
    store: Store, *, prefix: str = "", after: str = "", limit: int = 100, plugin: str = PLUGIN
) -> list[str]:
    return [facts.name for facts in await store.documents.list(plugin, prefix, after, limit)]


async def kept(store: Store, name: str = "backup") -> dict[int, bytes]:
    """The versions there are, up to the tenth."""
    found = [await store.documents.get(PLUGIN, name, version) for version in range(1, 11)]
    return {facts.version: facts.value for facts in found if facts is not None}


async def test_what_is_put_is_read_as_it_was_by_everybody(store: Store, other: Store) -> None:
    value = '{"z":1.10,"a":[12345678901234567890,null,"\\u0000 é"],"z":2}'
    assert await store.documents.put(new(value=value)) == 1
    found = await other.documents.get(PLUGIN, "backup")
    assert found is not None
    assert (found.name, found.version, found.value.decode(), found.by) == ("backup", 1, value, "ada")
    assert found.stored_at.tzinfo is not None


async def test_there_is_nothing_before_the_first_put(store: Store) -> None:
    assert await store.documents.get(PLUGIN, "backup") is None
    assert await store.documents.list(PLUGIN, "", "", 10) == []
    assert await store.documents.delete(PLUGIN, "backup") is False
    assert await store.documents.delete(PLUGIN, "backup", expected=3) is False


async def test_each_put_makes_the_next_version_and_the_newest_is_what_is_read(store: Store, other: Store) -> None:
    assert [await each.documents.put(new(value=f"{n}")) for n, each in enumerate((store, other, store), 1)] == [1, 2, 3]
    newest = await other.documents.get(PLUGIN, "backup")
    assert newest is not None
    assert (newest.version, newest.value) == (3, b"3")


@pytest.mark.parametrize(("keep", "staying"), [(1, [5]), (3, [3, 4, 5]), (10, [1, 2, 3, 4, 5])])
async def test_so_many_versions_stay_as_were_asked_for(store: Store, keep: int, staying: list[int]) -> None:
    for _ in range(5):
        await store.documents.put(new(keep=keep))
    assert list(await kept(store)) == staying


async def test_a_put_that_keeps_fewer_removes_what_others_had_kept(store: Store) -> None:
    for _ in range(4):
        await store.documents.put(new(keep=10))
    await store.documents.put(new(keep=2))
    assert list(await kept(store)) == [4, 5]


async def test_who_expects_another_version_stores_nothing_and_is_told_the_newest(store: Store, other: Store) -> None:
    await store.documents.put(new(value="1", expected=0))
    assert await other.documents.put(new(value="2", expected=1)) == 2
    for expected, words in ((0, "already, at version 2"), (1, "is at version 2, not 1"), (3, "is at version 2, not 3")):
        with pytest.raises(DocumentChanged, match=words) as refused:
            await store.documents.put(new(value='"wrong"', expected=expected, keep=10))
        assert refused.value.facts == {"document": "backup", "version": "2"}
    assert await kept(store) == {2: b"2"}


async def test_a_version_of_a_document_that_is_gone_is_not_begun_anew(store: Store) -> None:
    with pytest.raises(DocumentChanged, match="is gone; version 4 was expected"):
        await store.documents.put(new(expected=4))
    assert await names(store) == []


async def test_of_many_who_expect_the_same_version_one_is_stored(store: Store, other: Store) -> None:
    async def race(expected: int | None) -> list[object]:
        puts = (each.documents.put(new(expected=expected)) for each in (store, other) * (WRITERS // 2))
        return await asyncio.gather(*puts, return_exceptions=True)

    for expected in (0, 1):
        answers = await race(expected)
        assert [answer for answer in answers if isinstance(answer, int)] == [expected + 1]
        assert sum(isinstance(answer, DocumentChanged) for answer in answers) == WRITERS - 1
    answers = await race(None)
    assert sorted(answer for answer in answers if isinstance(answer, int)) == [*range(3, 3 + WRITERS)]
    assert len(await kept(store)) == 1, "versions that were pruned too early, or not at all"


async def test_a_put_made_again_after_a_lost_answer_is_the_same_put(store: Store, other: Store) -> None:
    first, second = new(value="1", expected=0), new(value="2", expected=1)
    assert [await each.documents.put(first) for each in (store, other, store)] == [1, 1, 1]
    assert [await each.documents.put(second) for each in (other, store)] == [2, 2]
    blind = new(value="3")
    assert [await each.documents.put(blind) for each in (other, store)] == [3, 3]
    with pytest.raises(DocumentChanged):
        await store.documents.put(first)


async def test_plugins_do_not_see_each_others_documents(store: Store) -> None:
    await store.documents.put(new(value="1"))
    assert await store.documents.put(new(value="2", plugin="checks")) == 1
    assert await names(store, plugin="backups") == []
    assert await store.documents.get("backups", "backup") is None
    assert await store.documents.delete("backups", "backup") is False
    assert await store.documents.delete("checks", "backup") is True
    found = await store.documents.get(PLUGIN, "backup")
    assert found is not None
    assert found.value == b"1"


async def test_pages_are_by_name_and_by_prefix_and_have_the_newest_version(store: Store) -> None:
    for name in ("script/b", "script/Z", "script/é", "script", "scripts", "job/a", "script%", "script/a"):
        for version in ("1", "2"):
            await store.documents.put(new(name, version, keep=2))
    assert await names(store) == sorted(await names(store))
    every = ["script/Z", "script/a", "script/b", "script/é"]
    assert await names(store, prefix="script/") == every
    assert await names(store, prefix="script/", limit=2) == every[:2]
    assert await names(store, prefix="script/", after=every[1], limit=2) == every[2:]
    assert await names(store, prefix="script/", after=every[-1]) == []
    assert await names(store, prefix="script%") == ["script%"]
    assert await names(store, prefix="job/", after="script") == []
    assert {facts.version for facts in await store.documents.list(PLUGIN, "", "", 100)} == {2}


async def test_a_deleted_document_is_gone_with_its_versions_and_begins_anew(store: Store, other: Store) -> None:
    for _ in range(3):
        await store.documents.put(new(keep=3))
    with pytest.raises(DocumentChanged, match="is at version 3, not 2"):
        await other.documents.delete(PLUGIN, "backup", expected=2)
    assert await other.documents.delete(PLUGIN, "backup", expected=3) is True
    assert (await kept(store), await names(store)) == ({}, [])
    assert await store.documents.put(new(expected=0)) == 1


async def test_a_running_attempt_writes_although_it_is_being_interrupted(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await ask(store, claimed.id)
    assert await store.documents.put(new(), writer(claimed, node)) == 1
    assert await store.documents.delete(PLUGIN, "backup", None, writer(claimed, node)) is True


async def test_an_attempt_that_was_taken_back_writes_nothing_and_the_next_one_does(store: Store) -> None:
    dead, node = await node_of(store), await node_of(store, pid=2)
    lost = await held(store, dead)
    await store.documents.put(new(value="1", keep=3), writer(lost, dead))
    expire(store, dead)
    await recovered(store, 1)
    [again] = await claim(store, node)
    for _ in range(2):
        with pytest.raises(AttemptSuperseded):
            await store.documents.put(new(value="2", keep=1), writer(lost, dead))
        with pytest.raises(AttemptSuperseded):
            await store.documents.put(new(value="2", expected=0), writer(lost, dead))
        with pytest.raises(AttemptSuperseded):
            await store.documents.delete(PLUGIN, "backup", None, writer(lost, dead))
    assert await kept(store) == {1: b"1"}
    assert await store.documents.put(new(value="2"), writer(again, node)) == 2


async def test_an_attempt_that_has_ended_writes_nothing(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.SUCCESS)])
    with pytest.raises(AttemptSuperseded):
        await store.documents.put(new(), writer(claimed, node))
    assert await names(store) == []
