"""Watching across servers, and watchers that are killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import psycopg
from windlass_proto.v1 import event_pb2, task_pb2, tasks_service_pb2_grpc
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.system.serving import Home, home_in, wait_for

COUNT = "for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.2; done"
CALM = 2.0
FREED_WITHIN = 20.0
LOOKS = """
select coalesce(max(query_start), 'epoch') from pg_stat_activity
where datname = current_database() and query like '-- The next events of each watched task%'
"""
WATCHERS = """
import asyncio, sys, grpc
from windlass_proto.v1 import tasks_service_pb2 as pb, tasks_service_pb2_grpc

async def main(address, token, name):
    async with grpc.aio.insecure_channel(address) as channel:
        stub = tasks_service_pb2_grpc.TasksStub(channel)
        metadata = (("authorization", f"Bearer {token}"),)
        calls = [stub.Watch(pb.WatchRequest(name=name), metadata=metadata) for _ in range(50)]
        for call in calls:
            await call.read()
        print("watching", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def addresses(home: Home) -> list[str]:
    found = (json.loads(file.read_text()) for file in (home.path / "run").glob("server-*.json"))
    return [server["address"] for server in sorted(found, key=lambda server: str(server["started"]))]


def token(home: Home) -> str:
    return (home.path / "token").read_text().strip()


class Caller:
    def __init__(self, home: Home, channel: grpc.aio.Channel) -> None:
        self._stub = tasks_service_pb2_grpc.TasksStub(channel)
        self._metadata: Any = (("authorization", f"Bearer {token(home)}"),)

    async def enqueue(self, argv: list[str], delay: float = 0.0) -> str:
        payload = task_pb2.Payload(data=json.dumps({"argv": argv}).encode())
        task = pb.NewTask(kind="ExecuteScript", payload=payload)
        if delay:
            task.due_time.FromSeconds(int(time.time() + delay))
        answer = await self._stub.Enqueue(pb.EnqueueRequest(task=task), metadata=self._metadata, timeout=15)
        return answer.task

    async def watched(self, name: str, after: int = 0, most: int = 10_000) -> list[tuple[float, event_pb2.Event]]:
        """Events with the time of their coming: `most` of them, or all to the end."""
        call = self._stub.Watch(pb.WatchRequest(name=name, after_sequence=after), metadata=self._metadata, timeout=60)
        seen: list[tuple[float, event_pb2.Event]] = []
        async for event in call:
            seen.append((time.time(), event))
            if len(seen) == most:
                call.cancel()
                break
        return seen


async def test_every_server_shows_what_one_of_them_runs_live_and_whole(tmp_path: Path, dsn: str) -> None:
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn) as home:
        home.serve()
        home.serve()
        first, second = addresses(home)
        async with grpc.aio.insecure_channel(first) as here, grpc.aio.insecure_channel(second) as there:
            callers = [Caller(home, here), Caller(home, there)]
            name = await callers[0].enqueue(["sh", "-c", COUNT])
            broken_off = asyncio.create_task(_in_pieces(callers, name))
            seen = await asyncio.gather(*(caller.watched(name) for caller in callers))
            whole = [event for _, event in seen[0]]
            assert whole == [event for _, event in seen[1]] == await broken_off
            output = b"".join(event.output.data for event in whole)
            assert output == b"".join(b"%d\n" % n for n in range(1, 9))
            for arrivals in seen:
                late = [at - event.time.ToMicroseconds() / 1e6 for at, event in arrivals if event.HasField("output")]
                assert sorted(late)[len(late) // 2] < 1.0, "seconds from the word to the watcher"


async def _in_pieces(callers: list[Caller], name: str) -> list[event_pb2.Event]:
    """The events, now from one server and then from the other, three at a time."""
    seen: list[event_pb2.Event] = []
    while not seen or not seen[-1].state.state >= task_pb2.Task.STATE_COMPLETED:
        after = seen[-1].sequence if seen else 0
        seen += [event for _, event in await callers[len(seen) % 2].watched(name, after, most=3)]
    return seen


async def test_watchers_that_are_killed_are_forgotten_by_their_server(tmp_path: Path, dsn: str) -> None:
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn) as home:
        home.serve()
        [address] = addresses(home)
        async with grpc.aio.insecure_channel(address) as channel:
            name = await Caller(home, channel).enqueue(["true"], delay=3_600)
        command = (sys.executable, "-c", WATCHERS, address, token(home), name)
        client = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert client.stdout is not None
        assert await client.stdout.readline() == b"watching\n"
        assert is_looking(dsn), "it does not look although it is watched"
        client.send_signal(signal.SIGKILL)
        await client.wait()
        wait_for(lambda: not is_looking(dsn), "the server to forget its watchers", FREED_WITHIN)


def is_looking(dsn: str) -> bool:
    """Whether a server looks for events of watched tasks, in the next seconds."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = connection.execute(LOOKS).fetchone()
        time.sleep(CALM)
        return connection.execute(LOOKS).fetchone() != before
