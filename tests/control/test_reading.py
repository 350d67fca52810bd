"""Get, List and the History service: names, pages, and what lists leave out."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import pytest
from windlass_proto.v1 import history_service_pb2 as hist
from windlass_proto.v1 import task_pb2
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, refused
from tests.control.test_enqueue import later

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
Reader = Callable[[Calling, str], Awaitable[Any]]


async def steps(server: Calling, parent: str, **more: Any) -> hist.ListStepsResponse:
    return await server.history.ListSteps(hist.ListStepsRequest(parent=parent, **more), timeout=DEADLINE)


async def output(server: Calling, parent: str, **more: Any) -> hist.ReadOutputResponse:
    return await server.history.ReadOutput(hist.ReadOutputRequest(parent=parent, **more), timeout=DEADLINE)


BY_NAME: dict[str, tuple[str, str, Reader]] = {
    "Get": ("tasks", "name", lambda s, n: s.tasks.Get(pb.GetTaskRequest(name=n), timeout=DEADLINE)),
    "Interrupt": ("tasks", "name", lambda s, n: s.tasks.Interrupt(pb.InterruptRequest(name=n), timeout=DEADLINE)),
    "Watch": ("tasks", "name", lambda s, n: s.watched(n)),
    "Get card": ("cards", "name", lambda s, n: s.history.Get(hist.GetCardRequest(name=n), timeout=DEADLINE)),
    "ListSteps": ("cards", "parent", steps),
    "ReadOutput": ("cards", "parent", output),
}


async def active(server: Calling, **more: Any) -> pb.ListTasksResponse:
    return await server.tasks.List(pb.ListTasksRequest(**more), timeout=DEADLINE)


async def cards(server: Calling, **more: Any) -> hist.ListCardsResponse:
    return await server.history.List(hist.ListCardsRequest(**more), timeout=DEADLINE)


def card_of(name: str) -> str:
    return name.replace("tasks/", "cards/")


@pytest.mark.parametrize("rpc", BY_NAME)
async def test_an_unknown_task_is_not_found(server: Calling, rpc: str) -> None:
    collection, _, read = BY_NAME[rpc]
    for number in (4_711, 2**63 - 1):
        refusal = await refused(read(server, f"{collection}/{number}"))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "TASK_NOT_FOUND")
        assert refusal.facts == {"task": str(number)}


@pytest.mark.parametrize("rpc", BY_NAME)
async def test_a_malformed_name_is_refused_with_its_field(server: Calling, rpc: str) -> None:
    collection, field, read = BY_NAME[rpc]
    other = "cards" if collection == "tasks" else "tasks"
    bad = ["", "1", f"{other}/1", f"{collection}/", f"{collection}/0", f"{collection}/-1", f"{collection}/01"]
    bad += [f"{collection}/1/x", f"{collection}/1\n", f"{collection}/{2**63}", f"{collection}/٣", f"{collection}/1\0"]
    bad += [f"{collection}/{'9' * 100_000}"]
    for name in bad:
        refusal = await refused(read(server, name))
        assert (refusal.code, refusal.reason, refusal.field) == (INVALID, "INVALID_ARGUMENT", field), name[:50]


async def test_a_task_is_shown_while_it_waits_runs_and_has_ended(server: Calling) -> None:
    waits = await server.get(await server.enqueue(due_time=later()))
    assert waits.HasField("next_try_time")
    assert not waits.HasField("start_time")
    assert waits.attempt == 0
    name = await server.enqueue("Wait")
    runs = await server.at(name, State.STATE_RUNNING)
    assert runs.HasField("start_time")
    assert runs.node
    assert not runs.HasField("next_try_time")
    assert (runs.attempt, runs.retries) == (1, 1)
    server.wait.gate.set()
    ended = await server.ended(name)
    assert ended.end_time.ToDatetime() >= ended.start_time.ToDatetime() >= ended.create_time.ToDatetime()


async def test_a_task_tells_what_it_is_how_it_stands_and_who_works_on_it(server: Calling) -> None:
    due = later()
    waits = await server.get(await server.enqueue(due_time=due))
    assert (waits.state, waits.retries, waits.node) == (State.STATE_PENDING, 0, "")
    assert waits.next_try_time.seconds == pytest.approx(due.seconds, abs=1)
    server.wait.obeys = False
    name = await server.enqueue("Wait", payload={"a": 1}, title="nightly", priority=9)
    runs = await server.at(name, State.STATE_RUNNING)
    assert (runs.name, runs.kind, runs.title, runs.priority) == (name, "Wait", "nightly", 9)
    assert json.loads(runs.payload.data) == {"a": 1}
    assert runs.start_time.ToDatetime() >= runs.create_time.ToDatetime()
    assert (runs.retries, runs.node) == (1, f"{socket.gethostname()}/{os.getpid()}")
    asked = await server.tasks.Interrupt(pb.InterruptRequest(name=name), timeout=DEADLINE)
    assert asked.state == State.STATE_CANCELLING
    server.wait.gate.set()
    await server.ended(name)


async def test_a_failed_task_says_why(server: Calling) -> None:
    found = await server.ended(await server.enqueue(payload={"fail": 1}))
    assert (found.state, found.message) == (State.STATE_FAILED, "asked to fail")
    assert json.loads(found.result.data) == {"fail": 1}


async def test_the_queue_shows_what_runs_then_what_waits_and_leaves_payloads_out(server: Calling) -> None:
    waits = await server.enqueue(payload={"a": 1}, due_time=later())
    runs = await server.enqueue("Wait", payload={"b": 2})
    ended = await server.enqueue(payload={"c": 3})
    await server.at(runs, State.STATE_RUNNING)
    await server.ended(ended)
    listed = (await active(server)).tasks
    assert [task.name for task in listed] == [runs, waits]
    assert [task.HasField("payload") or task.HasField("result") for task in listed] == [False, False]
    assert json.loads((await server.get(runs)).payload.data) == {"b": 2}


async def test_cards_come_newest_first_without_payload_and_result(server: Calling) -> None:
    names = [await server.enqueue(payload={"a": 1}) for _ in range(3)]
    for name in names:
        await server.ended(name)
    listed = (await cards(server)).cards
    assert [card.name for card in listed] == [card_of(name) for name in reversed(names)]
    assert not any(card.task.HasField("payload") or card.task.HasField("result") for card in listed)
    card = await server.history.Get(hist.GetCardRequest(name=card_of(names[0])), timeout=DEADLINE)
    assert (card.state, card.task.name) == (hist.Card.STATE_COMPLETED, names[0])
    assert json.loads(card.task.result.data) == json.loads(card.task.payload.data) == {"a": 1}
    [attempt] = card.attempts
    assert (attempt.attempt, attempt.outcome) == (1, hist.Attempt.OUTCOME_SUCCESS)
    assert attempt.node
    assert attempt.HasField("start_time")
    assert attempt.HasField("end_time")


async def test_a_task_that_was_never_claimed_has_no_card_in_the_list(server: Calling) -> None:
    await server.enqueue(due_time=later())
    assert list((await cards(server)).cards) == []


async def test_cards_are_told_apart_by_origin(server: Calling) -> None:
    name = await server.enqueue()
    await server.ended(name)
    user = await cards(server, origin=task_pb2.ORIGIN_USER)
    assert [card.name for card in user.cards] == [card_of(name)]
    assert list((await cards(server, origin=task_pb2.ORIGIN_SYSTEM)).cards) == []
    refusal = await refused(cards(server, origin=9))
    assert (refusal.code, refusal.field) == (INVALID, "origin")


async def test_steps_tell_the_whole_timeline_in_words(server: Calling) -> None:
    name = await server.enqueue(payload={"a": 1, "fail": 2})
    await server.ended(name)
    listed = (await steps(server, card_of(name))).steps
    assert [step.text.split(" on ")[0] for step in listed] == [
        "created",
        "started",
        "a",
        "fail",
        "failed: asked to fail",
    ]
    assert [step.name for step in listed] == [f"{card_of(name)}/steps/{step.sequence}" for step in listed]
    assert json.loads(listed[2].data.data) == {"number": 1}
    assert [step.HasField("data") for step in listed] == [False, False, True, True, False]


async def filled(server: Calling) -> dict[str, list[str]]:
    """What each list must show, in its order: more than its default page."""
    ended = [await server.enqueue() for _ in range(5)]
    for name in ended:
        await server.ended(name)
    chatty = await server.enqueue(payload={f"line {n:03}": n for n in range(110)})
    await server.ended(chatty)
    due = later()
    waiting = [await server.enqueue(due_time=due, priority=n % 3) for n in range(55)]
    return {
        "tasks": [task.name for task in sorted([await server.get(name) for name in waiting], key=claim_order)],
        "cards": [card_of(name) for name in (chatty, *reversed(ended))],
        "steps": [chatty],
    }


def claim_order(task: task_pb2.Task) -> tuple[int, int, int]:
    return -task.priority, task.next_try_time.ToNanoseconds(), int(task.name.removeprefix("tasks/"))


async def test_paging_shows_everything_once_whatever_the_size(server: Calling) -> None:
    shown = await filled(server)
    parent = card_of(shown["steps"][0])
    whole = [step.name for step in (await steps(server, parent, page_size=1_000)).steps]
    assert len(whole) == 113
    for size in (1, 7, 55, 0, 1_000, 2**31 - 1):
        assert await paged(partial(active, server, page_size=size), "tasks") == shown["tasks"]
        assert await paged(partial(cards, server, page_size=size), "cards") == shown["cards"]
        if size != 1:
            assert await paged(partial(steps, server, parent, page_size=size), "steps") == whole


async def paged(read: Callable[..., Awaitable[Any]], what: str) -> list[str]:
    names: list[str] = []
    token = ""
    for _ in range(200):
        page = await read(page_token=token)
        names += [item.name for item in getattr(page, what)]
        token = page.next_page_token
        if not token:
            return names
    raise AssertionError("the pages have no end")


async def test_the_default_page_is_the_promised_one(server: Calling) -> None:
    shown = await filled(server)
    assert len((await active(server)).tasks) == 50
    assert len((await steps(server, card_of(shown["steps"][0]))).steps) == 100


@pytest.mark.parametrize("rpc", ["tasks", "cards", "steps"])
async def test_a_negative_page_size_is_refused(server: Calling, rpc: str) -> None:
    name = await server.enqueue()
    reads: dict[str, Any] = {"tasks": active, "cards": cards, "steps": lambda s, **m: steps(s, card_of(name), **m)}
    refusal = await refused(reads[rpc](server, page_size=-1))
    assert (refusal.code, refusal.reason, refusal.field) == (INVALID, "INVALID_ARGUMENT", "page_size")


async def test_a_token_that_the_list_did_not_give_out_is_refused(server: Calling) -> None:
    shown = await filled(server)
    parent = card_of(shown["steps"][0])
    tokens = {
        "tasks": (await active(server, page_size=1)).next_page_token,
        "cards": (await cards(server, page_size=1)).next_page_token,
        "user cards": (await cards(server, page_size=1, origin=1)).next_page_token,
        "steps": (await steps(server, parent, page_size=1)).next_page_token,
    }
    reads: dict[str, Any] = {
        "tasks": lambda t: active(server, page_token=t),
        "cards": lambda t: cards(server, page_token=t),
        "user cards": lambda t: cards(server, page_token=t, origin=1),
        "steps": lambda t: steps(server, parent, page_token=t),
        "other steps": lambda t: steps(server, shown["cards"][-1], page_token=t),
    }
    garbage = ["x", "AAAA", "…", "=", "a" * 5_000, tokens["tasks"][:-3], "\0"]
    for rpc, read in reads.items():
        foreign = [token for name, token in tokens.items() if name != rpc]
        for token in [*garbage, *foreign]:
            refusal = await refused(read(token))
            assert (refusal.code, refusal.reason, refusal.field) == (INVALID, "PAGE_TOKEN_INVALID", "page_token")


@pytest.mark.parametrize("size", [200, 1_000])
async def test_a_page_of_the_heaviest_tasks_fits_into_a_message(server: Calling, size: int) -> None:
    label = "\N{GRINNING FACE}" * 48
    heavy = pb.EnqueueRequest(
        task=pb.NewTask(kind="Echo", title="t" * 200, labels={f"{n:02}": label for n in range(64)}, due_time=later())
    )
    for _ in range(size // 100):
        await server.tasks.BatchEnqueue(pb.BatchEnqueueRequest(requests=[heavy] * 100), timeout=DEADLINE)
    names = await paged(partial(active, server, page_size=1_000), "tasks")
    assert len(names) == len(set(names)) == size
