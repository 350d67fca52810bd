"""The client and a real server: what the fake one can only say."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from windlass import Operation, OperationCall, Settings, hookimpl
from windlass.store.port import Store
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
    TaskFailed,
    TaskGone,
    TaskSeen,
    TickOutcome,
    Unauthenticated,
)

from tests.control.calling import TOKEN, Calling, calling

TOMORROW = datetime.now(UTC) + timedelta(days=1)


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


async def test_bulk_actions_are_tasks_that_can_be_waited_for(client: Client):
    failed = [(await client.enqueue("Echo", {"fail": n}, labels={"of": "me"}, retry_attempts=1)).id for n in range(3)]
    for id in failed:
        with pytest.raises(TaskFailed):
            await client.result(id, timeout=20)
    waiting = [(await client.enqueue("Wait", {}, labels={"of": "later"}, due=TOMORROW)).id for _ in range(3)]
    would = await client.bulk_retry("labels.of = me", reason="fixed", dry_run=True)
    assert (would.task, would.matching, sorted(task.id for task in would.samples)) == (None, 3, failed)
    retried = await client.bulk_retry("labels.of = me", reason="fixed", rate=1000)
    moved = await client.bulk_reprioritize("labels.of = later", 42, reason="sooner", rate=1000)
    for bulk in (retried, moved):
        assert bulk.task
        await client.result(bulk.task, timeout=20)
    again = [card.task.retry_of async for card in client.list_cards(filter="labels.of = me")]
    assert sorted(id for id in again if id) == failed
    assert [task.priority async for task in client.list_tasks(filter="priority = 42")] == [42] * len(waiting)


class Adding:
    """A plugin with an operation."""

    @hookimpl
    def windlass_register_operations(self, settings: Settings) -> list[Operation]:
        return [
            Operation("add", "Add", "Adds the numbers.", self.add, list[int], int),
            Operation("nothing", "Nothing", "Does nothing.", self.nothing),
        ]

    async def add(self, call: OperationCall, argument: list[int]) -> int:
        return sum(argument)

    async def nothing(self, call: OperationCall, argument: object) -> None:
        return None


async def test_an_operation_of_a_plugin_is_found_with_its_schema_and_called(dsn: str, store: Store):
    async with calling(dsn, store, plugins={"sums": Adding()}) as kernel, Client.connect(kernel.address, TOKEN) as it:
        [add, nothing] = [each for each in await it.operations.list() if each.name.startswith("sums.")]
        assert (add.name, add.writes, add.argument_schema["type"]) == ("sums.add", True, "array")
        assert await it.operations.call(add.name, [1, 2, 3], reason="why not") == 6
        assert await it.operations.call(nothing.name) is None
        with pytest.raises(InvalidArgument):
            await it.operations.call(add.name, ["one"])


async def test_a_stream_goes_on_over_a_restart_of_the_server_without_loss_or_repeat(dsn: str, store: Store):
    half, restarted = asyncio.Event(), asyncio.Event()

    async def source() -> AsyncIterator[NewTask]:
        for n in range(200):
            yield NewTask("Wait", {}, title=str(n), due=TOMORROW)
            if n == 100:
                half.set()
            if n == 150:
                await restarted.wait()

    async def enqueue(client: Client) -> list[int]:
        return [handle.id async for handle in client.enqueue_stream(source())]

    async with calling(dsn, store) as first:
        client = Client.connect(first.address, TOKEN)
        enqueuing = asyncio.create_task(enqueue(client))
        await half.wait()
    async with calling(dsn, store, listen=first.address):
        restarted.set()
        stored = await asyncio.wait_for(enqueuing, 30)
        found = {task.id: task.title async for task in client.list_tasks(page_size=1000)}
        await client.close()
    assert [found[id] for id in stored] == [str(n) for n in range(200)]
    assert len(found) == 200
