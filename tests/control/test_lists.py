"""Lists by filter and order, over gRPC: what they find, their page tokens, and what they refuse."""

from __future__ import annotations

from typing import Any

import grpc
import psycopg
import pytest
from windlass.store.postgres import connection
from windlass_proto.v1 import history_service_pb2 as hist
from windlass_proto.v1 import task_pb2
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, refused
from tests.control.test_enqueue import later
from tests.control.test_reading import active, card_of, cards

INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def names(server: Calling, **asked: Any) -> list[str]:
    """The tasks of every page, in order."""
    found: list[str] = []
    token = ""
    while True:
        page = await active(server, page_token=token, **asked)
        found += [task.name for task in page.tasks]
        token = page.next_page_token
        if not token:
            return found


async def card_names(server: Calling, **asked: Any) -> list[str]:
    return [card.name for card in (await cards(server, **asked)).cards]


async def some(server: Calling) -> list[str]:
    """Five that wait."""
    labels = [{"tenant": "acme"}, {"tenant": "initech"}, {}, {"tenant": "acme"}, {}]
    return [
        await server.enqueue(payload={"n": n}, title=f"Backup {n}", labels=labels[n], priority=n % 3, due_time=later())
        for n in range(5)
    ]


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_the_queue_is_listed_by_filter_and_order(server: Calling, size: int) -> None:
    made = await some(server)
    by_tenant = await names(server, filter='labels.tenant = "acme"', page_size=size)
    assert by_tenant == [made[0], made[3]] or by_tenant == [made[3], made[0]]
    sorting = "priority desc, create_time"
    assert await names(server, order_by=sorting, page_size=size) == [made[2], made[1], made[4], made[0], made[3]]
    assert await names(server, filter="payload.n > 1 AND state = PENDING", order_by="id", page_size=size) == made[2:]
    assert await names(server, filter='NOT title:"BACKUP"') == []


async def test_the_history_is_listed_by_filter_order_and_origin(server: Calling) -> None:
    good, bad = await server.enqueue(payload={"a": 1}), await server.enqueue(payload={"fail": 1})
    for name in (good, bad):
        await server.ended(name)
    assert await card_names(server, filter="state = FAILED") == [card_of(bad)]
    assert await card_names(server, filter="state = FAILED", origin=task_pb2.ORIGIN_SYSTEM) == []
    assert await card_names(server, filter='message:"FAIL"') == [card_of(bad)]
    assert await card_names(server, filter="result.a = 1") == [card_of(good)]
    assert await card_names(server, order_by="title", origin=task_pb2.ORIGIN_USER) == [card_of(good), card_of(bad)]
    assert await card_names(server, filter="end_time > ago(1h) AND create_time < ago(-1h)") == [
        card_of(bad),
        card_of(good),
    ]


async def test_lists_leave_the_large_columns_out_whatever_they_are_asked_for(server: Calling) -> None:
    await some(server)
    for asked in ({"filter": "payload.n = 1"}, {"order_by": "id"}):
        assert not any(task.HasField("payload") for task in (await active(server, **asked)).tasks)


async def test_a_page_token_belongs_to_its_filter_and_order(server: Calling) -> None:
    await some(server)
    asked: dict[str, Any] = {"filter": "priority < 5", "order_by": "title", "page_size": 2}
    token = (await active(server, **asked)).next_page_token
    others: list[dict[str, Any]] = [
        {"filter": "priority < 6"},
        {"order_by": "title desc"},
        {"filter": "", "order_by": ""},
    ]
    for other in others:
        refusal = await refused(active(server, **(asked | other), page_token=token))
        assert (refusal.code, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID"), other
    plain = (await active(server, page_size=2)).next_page_token
    assert (await refused(active(server, **asked, page_token=plain))).reason == "PAGE_TOKEN_INVALID"
    assert len((await active(server, **asked, page_token=token)).tasks) == 2


@pytest.mark.parametrize("ask", [active, cards])
async def test_a_filter_that_can_not_be_read_is_refused_with_its_place(server: Calling, ask: Any) -> None:
    refusal = await refused(ask(server, filter="kind = Echo AND stat = RUNNING"))
    assert (refusal.code, refusal.reason, refusal.field) == (INVALID, "FILTER_INVALID", "filter")
    assert "did you mean state?" in refusal.message
    assert refusal.facts == {"position": "17"}
    refusal = await refused(ask(server, order_by="creation"))
    assert (refusal.code, refusal.reason, refusal.field) == (INVALID, "ORDER_INVALID", "order_by")


async def test_a_filter_that_looks_through_too_much_is_refused_with_what_to_do(
    server: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIND_SECONDS", 0.1)
    with psycopg.connect(server.dsn) as holder:
        # As slow as can be.
        holder.execute("lock table windlass.task in access exclusive mode")
        refusal = await refused(cards(server, filter="title:x"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "FILTER_TOO_BROAD")
    assert "create_time > ago(1d)" in refusal.message


async def output(server: Calling, name: str, **asked: Any) -> hist.ReadOutputResponse:
    request = hist.ReadOutputRequest(parent=card_of(name), **asked)
    return await server.history.ReadOutput(request, timeout=DEADLINE)


async def test_output_is_read_in_pages_by_attempt_and_stream(server: Calling) -> None:
    name = await server.enqueue("Wait")
    await server.at(name, State.STATE_RUNNING)
    for n in range(5):
        server.wait.tape.put_nowait(n)
    stream = server.tasks.Watch(pb.WatchRequest(name=name), timeout=DEADLINE)
    async for event in stream:
        if event.output.data == b"4\n":
            break
    stream.cancel()
    server.wait.gate.set()
    await server.ended(name)
    read: list[hist.OutputChunk] = []
    token = ""
    while True:
        page = await output(server, name, page_size=2, page_token=token, attempt=1)
        read += page.chunks
        token = page.next_page_token
        if not token:
            break
    assert b"".join(chunk.output.data for chunk in read) == b"0\n1\n2\n3\n4\n"
    assert {(chunk.attempt, chunk.output.stream) for chunk in read} == {(1, 1)}
    assert [chunk.sequence for chunk in read] == sorted({chunk.sequence for chunk in read})
    assert all(chunk.HasField("time") for chunk in read)
    assert list((await output(server, name, attempt=2)).chunks) == []
    assert list((await output(server, name, stream=2)).chunks) == []
    assert len((await output(server, name, stream=1)).chunks) == len(read)


async def test_a_bad_request_for_output_names_its_field(server: Calling) -> None:
    name = await server.enqueue(due_time=later())
    for field, asked in {"attempt": -1, "stream": 3, "page_size": -1}.items():
        refusal = await refused(output(server, name, **{field: asked}))
        assert (refusal.code, refusal.field) == (INVALID, field)
    other = await server.enqueue(due_time=later())
    refusal = await refused(output(server, other, page_token="x"))
    assert refusal.reason == "PAGE_TOKEN_INVALID"
