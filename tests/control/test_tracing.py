"""W3C trace context in the metadata of a call is kept on what the call makes, exported or not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import BEARER, DEADLINE, Calling, new

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ANOTHER = PARENT.replace("4b", "5b")


async def traces(server: Calling, *names: str) -> list[tuple[str, str]]:
    found = [(await server.get(name)).trace for name in names]
    return [(trace.traceparent, trace.tracestate) for trace in found]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([("traceparent", PARENT)], (PARENT, "")),
        ([("traceparent", PARENT), ("tracestate", "a=b,c=d")], (PARENT, "a=b,c=d")),
        ([("tracestate", "a=b")], ("", "")),
        ([("traceparent", "00-nonsense")], ("", "")),
        ([], ("", "")),
    ],
)
async def test_a_task_keeps_the_trace_of_the_call_that_made_it(
    server: Calling, metadata: list[tuple[str, str]], expected: tuple[str, str]
) -> None:
    request = tasks.EnqueueRequest(task=new())
    made = await server.tasks.Enqueue(request, metadata=metadata, timeout=DEADLINE)
    assert await traces(server, made.task) == [expected]


async def test_a_batch_is_in_the_trace_of_its_call_and_the_next_call_is_not(server: Calling) -> None:
    batch = tasks.BatchEnqueueRequest(requests=[tasks.EnqueueRequest(task=new())] * 2)
    made = await server.tasks.BatchEnqueue(batch, metadata=[("traceparent", PARENT)], timeout=DEADLINE)
    later = await server.enqueue()
    names = [response.task for response in made.responses]
    assert await traces(server, *names, later) == [(PARENT, ""), (PARENT, ""), ("", "")]


async def test_the_tasks_of_a_stream_are_in_the_trace_that_it_was_opened_in(server: Calling) -> None:
    async def messages() -> AsyncIterator[tasks.EnqueueStreamRequest]:
        for _ in range(2):
            yield tasks.EnqueueStreamRequest(requests=[tasks.EnqueueRequest(task=new())])

    metadata = [*BEARER, ("traceparent", PARENT)]
    call = server.tasks.EnqueueStream(messages(), metadata=metadata, timeout=DEADLINE)
    names = [response.task async for answer in call for response in answer.responses]
    assert await traces(server, *names) == [(PARENT, "")] * 2


async def test_the_same_request_from_another_trace_is_a_repetition(server: Calling) -> None:
    request = tasks.EnqueueRequest(task=new(), request_id="6a2f3f4e-5d0b-4f0c-9a63-0f4bb7a3c1de")
    made = [
        (await server.tasks.Enqueue(request, metadata=[("traceparent", parent)], timeout=DEADLINE)).task
        for parent in (PARENT, ANOTHER)
    ]
    assert made[0] == made[1]
    assert await traces(server, made[0]) == [(PARENT, "")]


async def test_a_task_that_is_asked_for_again_is_in_the_trace_of_who_asks(server: Calling) -> None:
    request = tasks.EnqueueRequest(task=new())
    first = (await server.tasks.Enqueue(request, metadata=[("traceparent", PARENT)], timeout=DEADLINE)).task
    await server.ended(first)
    again = tasks.RetryTaskRequest(name=first)
    second = (await server.tasks.Retry(again, metadata=[("traceparent", ANOTHER)], timeout=DEADLINE)).task
    third = (await server.tasks.Retry(again, timeout=DEADLINE)).task
    assert await traces(server, second, third) == [(ANOTHER, ""), ("", "")]
