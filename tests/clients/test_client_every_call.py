"""Every call there is, made with both clients: they ask the same, and together they ask everything the protos offer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from windlass_client import Client, NewTask, Role, Schedule, SyncClient
from windlass_proto.v1 import history_service_pb2, overview_pb2, tasks_service_pb2

from tests.clients.answering import SERVICES
from tests.clients.fake_server import FakeServer, World, a_task

TASK = NewTask("Noop", {}, request_id="1")
NIGHTLY = Schedule("nightly", "Tidy", cron="30 4 * * *")
BULK = {"reason": "why", "dry_run": True, "rate": 3, "request_id": "2"}
PAGE = {"page_size": 2, "page_token": "0"}


def answered(client: Any) -> Iterator[Any]:
    """Calls with one answer, made one by one: with the asynchronous client, each is still to be waited for."""
    yield client.enqueue("Noop", {}, request_id="3", title="a title")
    yield client.enqueue_batch([TASK])
    yield client.get_task(1)
    yield client.task_page(filter="f", order_by="o", **PAGE)
    yield client.card_page(filter="f", order_by="o", **PAGE)
    yield client.reprioritize(1, 2, "why")
    yield client.explain(1)
    yield client.retry(1, "why", request_id="4")
    yield client.get_card(1)
    yield client.step_page(1, **PAGE)
    yield client.output_page(1, **PAGE)
    yield client.bulk_interrupt("f", **BULK)
    yield client.bulk_retry("f", **BULK)
    yield client.bulk_reprioritize("f", 3, **BULK)
    yield client.interrupt(1, "why")
    yield from answered_schedules(client.schedules)
    yield from answered_cluster(client.cluster)
    yield client.operations.list()
    yield client.operations.call("disk.check", {"a": 1}, reason="why")
    yield client.overview.get()
    yield client.access.whoami()
    yield client.access.create_token("ci", Role.VIEWER, pools=["io"], ttl=3)
    yield client.access.token_page(show_ended=True, **PAGE)
    yield client.access.revoke("4", "why")
    yield client.access.audit_page(filter="f", **PAGE)


def answered_schedules(schedules: Any) -> Iterator[Any]:
    yield schedules.create(NIGHTLY)
    yield schedules.get("nightly")
    yield schedules.page(**PAGE)
    yield schedules.update(NIGHTLY, dry_run=True)
    yield schedules.delete("nightly", revision=2)
    yield schedules.pause("nightly", "why")
    yield schedules.resume("nightly", "why")
    yield schedules.run("nightly", "5")
    yield schedules.tick_page("nightly", **PAGE)


def answered_cluster(cluster: Any) -> Iterator[Any]:
    yield cluster.info()
    yield cluster.nodes()
    yield cluster.drain(1, "why")
    yield cluster.resume_node(1, "why")
    yield cluster.agents()
    yield cluster.agent("web-01")
    yield cluster.drain_agent("web-01", "why")
    yield cluster.resume_agent("web-01", "why")
    yield cluster.forget_agent("web-01", "why")
    yield cluster.pools()
    yield cluster.pool("io")
    yield cluster.resize("io", 3, "why")
    yield cluster.pause_pool("io", "why")
    yield cluster.resume_pool("io", "why")
    yield cluster.kinds()
    yield cluster.kind("Tidy")
    yield cluster.pause_kind("Tidy", "why")
    yield cluster.resume_kind("Tidy", "why")
    yield cluster.lanes()
    yield cluster.reload("why")


def listed(client: Any) -> Iterator[Any]:
    """Calls that are iterated over to their end."""
    yield client.list_tasks(filter="f", order_by="o", page_size=2)
    yield client.list_cards(filter="f", page_size=2)
    yield client.list_steps(1, page_size=2)
    yield client.read_output(1, attempt=2, page_size=2)
    yield client.watch(1)
    yield client.schedules.list(page_size=2)
    yield client.schedules.ticks("nightly", page_size=2)
    yield client.access.tokens(page_size=2)
    yield client.access.audit(filter="f", page_size=2)


def endless(client: Any) -> Iterator[Any]:
    """Calls of which the first item is enough."""
    yield client.watch_queue(filter="f", order_by="o", page_size=2)
    yield client.overview.watch(3)


@pytest.fixture
async def other() -> AsyncIterator[FakeServer]:
    other = FakeServer()
    await other.start()
    yield other
    await other.stop()


def furnish(world: World) -> None:
    world.tasks[1] = a_task(1)
    world.cards[1] = history_service_pb2.Card(name="cards/1", task=a_task(1))
    world.answers["WatchQueue"].append([tasks_service_pb2.QueueChange(task=a_task(1))])
    world.answers["Overview.WatchOverview"].append([overview_pb2.Picture()])


async def wait_for_each(server: FakeServer) -> None:
    async def tasks() -> AsyncIterator[NewTask]:
        yield TASK

    async with Client.connect(server.address) as client:
        for call in answered(client):
            await call
        for items in listed(client):
            _ = [item async for item in items]
        for items in endless(client):
            await anext(items)
            await items.aclose()
        assert [handle.id async for handle in client.enqueue_stream(tasks())]


def make_each(server: FakeServer) -> None:
    with SyncClient.connect(server.address) as client:
        for _ in answered(client):
            pass
        for items in listed(client):
            _ = list(items)
        for items in endless(client):
            next(items)
            items.close()
        assert [handle.id for handle in client.enqueue_stream([TASK])]


async def test_both_clients_ask_the_same_and_everything_there_is(server: FakeServer, other: FakeServer):
    furnish(server.world)
    furnish(other.world)
    await wait_for_each(server)
    await asyncio.to_thread(make_each, other)
    asked, threads_asked = ([(call.method, call.request) for call in each.world.calls] for each in (server, other))
    assert asked == threads_asked
    services = [module.DESCRIPTOR.services_by_name[name] for name, module in SERVICES.items()]
    services += [tasks_service_pb2.DESCRIPTOR.services_by_name["Tasks"]]
    services += [history_service_pb2.DESCRIPTOR.services_by_name["History"]]
    assert len({method for method, _ in asked}) == sum(len(service.methods) for service in services)
