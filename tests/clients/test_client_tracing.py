"""A call says which trace it belongs to, and needs nothing but gRPC and protobuf for it."""

import asyncio
import subprocess
import sys

import pytest
from windlass_client import Client, InvalidArgument, SyncClient, TraceContext, traced

from tests.clients.fake_server import FakeServer, World
from tests.control.calling import TOKEN, Calling

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def said(world: World) -> list[tuple[str, str]]:
    return [(call.metadata.get("traceparent", ""), call.metadata.get("tracestate", "")) for call in world.calls]


async def test_calls_inside_a_trace_say_so_and_others_do_not(client: Client, world: World):
    await client.enqueue("Noop", {})
    with traced(PARENT, "vendor=1"):
        await client.enqueue("Noop", {})
        await client.explain(1)
    await client.enqueue("Noop", {})
    assert said(world) == [("", ""), (PARENT, "vendor=1"), (PARENT, "vendor=1"), ("", "")]


async def test_streams_and_groups_belong_to_the_trace_too(client: Client, world: World):
    world.answers["Overview.WatchOverview"].append([])
    with traced(PARENT):
        await client.schedules.delete("nightly")
        watching = asyncio.ensure_future(anext(client.overview.watch()))
        await world.until(lambda: len(world.calls) == 2)
        watching.cancel()
    assert said(world) == [(PARENT, "")] * 2


async def test_a_thread_carries_its_own_trace(server: FakeServer, world: World):
    def use() -> None:
        with SyncClient.connect(server.address) as client:
            with traced(PARENT):
                client.enqueue("Noop", {})
            client.enqueue("Noop", {})

    await asyncio.to_thread(use)
    assert said(world) == [(PARENT, ""), ("", "")]


@pytest.mark.parametrize(
    "wrong", ["", "00-1-2-01", PARENT + "-", PARENT.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01", "ff" + PARENT[2:]]
)
def test_what_is_no_trace_context_is_refused(wrong: str):
    with pytest.raises(InvalidArgument, match="is no traceparent"), traced(wrong):
        pass


async def test_a_state_that_could_not_travel_is_left_out(client: Client, world: World):
    with traced(PARENT, "vendor=\n1"):
        await client.enqueue("Noop", {})
    assert said(world) == [(PARENT, "")]


async def test_the_active_span_of_opentelemetry_is_the_trace(client: Client, world: World):
    from opentelemetry import trace

    state = trace.TraceState([("a", "b")])
    context = trace.SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=trace.TraceFlags(1), trace_state=state)
    with traced(PARENT):
        with trace.use_span(trace.NonRecordingSpan(context)):
            await client.enqueue("Noop", {})
        await client.enqueue("Noop", {})
    assert said(world) == [(f"00-{0xABC:032x}-{0xDEF:016x}-01", "a=b"), (PARENT, "")]


NOTHING_ELSE = """
import sys

ALLOWED = {"windlass_client", "windlass_proto", "grpc", "google", "typing_extensions", *sys.stdlib_module_names}


class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED and not name.startswith("_"):
            raise ModuleNotFoundError(f"the client asked for {name}")


sys.meta_path.insert(0, Refuses())
import asyncio

from windlass_client import Client, SyncClient, traced
from windlass_client.profiles import read_profiles


async def use() -> None:
    async with Client.connect(sys.argv[1], "secret", timeout=10) as client:
        handle = await client.enqueue("Noop", {})
        print("enqueued", handle.id)


asyncio.run(use())
with SyncClient.connect(sys.argv[1], "secret") as client:
    print("listed", [task.id for task in client.list_tasks()])
"""


async def test_the_client_needs_grpc_and_protobuf_and_nothing_else(server: FakeServer):
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", NOTHING_ELSE, server.address], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (0, "enqueued 1\nlisted [1]\n"), ran.stderr


async def test_the_trace_is_kept_on_the_task(kernel: Calling):
    async with Client.connect(kernel.address, TOKEN) as client:
        with traced(PARENT, "vendor=1"):
            inside = await client.enqueue("Echo", {})
        outside = await client.enqueue("Echo", {})
        assert (await inside.task()).trace == TraceContext(PARENT, "vendor=1")
        assert (await outside.task()).trace is None
