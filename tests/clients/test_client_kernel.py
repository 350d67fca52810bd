"""The client and a real server: what the fake one can only say."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
from windlass_client import (
    Aborted,
    AlreadyExists,
    Client,
    GateKind,
    InvalidArgument,
    NewTask,
    NotFound,
    PermissionDenied,
    QueueCurrent,
    Role,
    Schedule,
    State,
    TaskGone,
    TaskSeen,
    TickOutcome,
    Unauthenticated,
)

from tests.control.calling import TOKEN, Calling


@pytest.fixture
async def client(kernel: Calling) -> AsyncIterator[Client]:
    async with Client.connect(kernel.address, TOKEN) as client:
        yield client


async def test_a_stream_stores_what_comes_before_a_refused_task_and_nothing_behind_it(client: Client):
    async def source() -> AsyncIterator[NewTask | list[NewTask]]:
        yield [NewTask("Wait", {}, title="a"), NewTask("Wait", {}, title="b")]
        for title in "cde":
            yield NewTask("Wait", {}, title=title)
        yield NewTask("NoSuchKind", {}, title="f")
        yield NewTask("Wait", {}, title="g")

    handles = client.enqueue_stream(source())
    stored = [(await anext(handles)).id for _ in range(5)]
    with pytest.raises(InvalidArgument, match="NoSuchKind"):
        await anext(handles)
    assert [(await client.get_task(id)).title for id in stored] == list("abcde")
    assert sorted([task.id async for task in client.list_tasks()]) == stored


async def test_a_watched_queue_tells_what_enters_changes_and_leaves(client: Client, kernel: Calling):
    first = await client.enqueue("Wait", {}, title="first", labels={"of": "me"})
    await client.enqueue("Wait", {}, labels={"of": "another"})
    changes = client.watch_queue(filter='labels.of = "me"')
    states: list[object] = []
    gone: set[int] = set()
    async with asyncio.timeout(20):
        async for change in changes:
            match change:
                case TaskSeen(task):
                    assert task.title == "first"
                    states.append(task.state)
                case QueueCurrent() if states[-1:] == [State.RUNNING] and not kernel.wait.gate.is_set():
                    kernel.wait.gate.set()
                case TaskGone(id):
                    gone.add(id)
                    break
    await changes.aclose()
    assert (states[-1], gone) == (State.RUNNING, {first.id})


async def test_every_page_of_a_filtered_list_belongs_to_its_filter(client: Client):
    wanted = [(await client.enqueue("Wait", {}, priority=n, labels={"of": "me"})).id for n in range(7)]
    await client.enqueue("Wait", {}, priority=99)
    found = [task.id async for task in client.list_tasks(filter="labels.of:*", order_by="priority desc", page_size=2)]
    assert found == wanted[::-1]
    page = await client.task_page(filter="labels.of:*", page_size=2)
    with pytest.raises(InvalidArgument):
        await client.task_page(filter="priority > 3", page_size=2, page_token=page.next_page_token)


async def test_a_schedule_is_kept_by_its_revision(client: Client):
    made = await client.schedules.create(Schedule("nightly", "Echo", {"one": 1}, interval=3600.0, paused=True))
    assert (made.name, made.interval, made.paused, made.next_time) == ("nightly", 3600.0, True, None)
    with pytest.raises(AlreadyExists):
        await client.schedules.create(Schedule("nightly", "Echo", {}, cron="* * * * *"))
    newer = await client.schedules.update(dataclasses.replace(made, title="every hour"))
    assert (newer.title, newer.revision > made.revision) == ("every hour", True)
    with pytest.raises(Aborted):
        await client.schedules.update(dataclasses.replace(made, title="too late"))
    receipt = await client.schedules.run("nightly")
    assert await client.result(receipt.id, timeout=20) == {"one": 1}
    [tick] = [tick async for tick in client.schedules.ticks("nightly")]
    assert (tick.outcome, tick.task) == (TickOutcome.BY_HAND, receipt.id)
    assert (await client.schedules.resume("nightly")).next_time
    await client.schedules.delete("nightly")
    with pytest.raises(NotFound):
        await client.schedules.get("nightly")


async def test_a_token_is_good_for_its_role_until_it_is_revoked(client: Client, kernel: Calling):
    made = await client.access.create_token("watcher", Role.VIEWER, ttl=3600)
    async with Client.connect(kernel.address, made.secret) as watcher:
        who = await watcher.access.whoami()
        assert (who.subject, who.role, who.credential) == ("watcher", Role.VIEWER, f"tokens/{made.token.name}")
        assert [task async for task in watcher.list_tasks()] == []
        with pytest.raises(PermissionDenied):
            await watcher.enqueue("Echo", {})
        await client.access.revoke(made.token.name, "gone")
        with pytest.raises(Unauthenticated):
            await watcher.access.whoami()
    assert made.token.name not in [token.name async for token in client.access.tokens()]
    [entry] = [entry async for entry in client.access.audit(filter='reason = "gone"')]
    assert entry.resource == f"tokens/{made.token.name}"


async def test_what_is_paused_is_shown_explained_and_resumed(client: Client):
    paused = await client.cluster.pause_kind("Echo", "the disk is full")
    assert paused.pause
    assert paused.pause.reason == "the disk is full"
    handle = await client.enqueue("Echo", {})
    assert GateKind.KIND_PAUSED in [gate.kind for gate in await handle.explain()]
    await client.cluster.resume_kind("Echo")
    await handle.result(timeout=20)
    assert (await client.cluster.kind("Echo")).pause is None


async def test_the_picture_changes_with_the_work(client: Client, kernel: Calling):
    pictures = client.overview.watch()
    async with asyncio.timeout(20):
        assert (await anext(pictures)).is_idle
        handle = await client.enqueue("Wait", {}, title="shown")
        while not (picture := await anext(pictures)).active:
            pass
    assert [task.title for task in picture.active] == ["shown"]
    await pictures.aclose()
    kernel.wait.gate.set()
    await handle.result(timeout=20)
