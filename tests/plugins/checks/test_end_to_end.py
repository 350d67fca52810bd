"""A real node with a configured check: its schedule finds a page up, then down, then up again."""

from __future__ import annotations

import json
from typing import Any

from windlass.store.port import Store
from windlass_proto.v1 import history_service_pb2 as history
from windlass_proto.v1 import operations_service_pb2 as operations
from windlass_proto.v1 import overview_service_pb2 as overview
from windlass_proto.v1 import task_pb2

from tests.control.calling import DEADLINE, Calling, State, calling
from tests.plugins.checks.servers import http, page
from tests.waiting import eventually


async def call(server: Calling, operation: str, **argument: Any) -> Any:
    payload = task_pb2.Payload(data=json.dumps(argument).encode())
    asked = operations.CallOperationRequest(name=f"operations/checks.{operation}", argument=payload)
    return json.loads((await server.operations.Call(asked, timeout=DEADLINE)).result.data)


async def stands(server: Calling, state: str) -> Any:
    async def look() -> Any:
        [check] = (await call(server, "list"))["checks"]
        return check if check["state"] == state else None

    return await eventually(look, 15)


async def tasks_of(server: Calling, filter_: str) -> list[Any]:
    request = history.ListCardsRequest(filter=filter_, page_size=50)
    return [card.task for card in (await server.history.List(request, timeout=DEADLINE)).cards]


async def test_a_configured_check_goes_up_and_down_and_up_and_everybody_can_see_it(dsn: str, store: Store) -> None:
    async with http(page(), page(), page("503 Oops"), page("503 Oops"), page()) as served:
        probe = {"type": "http", "url": f"http://127.0.0.1:{served.port}/"}
        check = {"name": "site", "every": 1, "fail_after": 2, "probe": probe}
        settings = {"checks": {"check": [check], "on_transition": {"kind": "Echo", "payload": {"transition": 1}}}}
        async with calling(dsn, store, settings=settings) as server:
            await stands(server, "up")
            down = await stands(server, "down")
            assert down["verdict"] == "503 Service Unavailable; expected 200 to 299"
            section = await panel(server)
            assert section.summary == "1 down"
            [line] = section.lines
            assert line.is_alarming
            assert "503 Service Unavailable; expected 200 to 299; open it from the node" in line.value
            await stands(server, "up")
            await cards_tell_of_it(server)
            shown = await call(server, "show", name="site")
            assert [result["ok"] for result in shown["history"]][:5] == [True, True, False, False, True]
            made = await call(server, "run", name="site")
            asked = await server.ended(f"tasks/{made['task']}")
            assert (asked.origin, asked.trigger) == (task_pb2.ORIGIN_USER, "operator")


async def panel(server: Calling) -> Any:
    picture = await server.overview.GetOverview(overview.GetOverviewRequest(), timeout=DEADLINE)
    [section] = [section for section in picture.sections if section.name == "checks"]
    return section


async def cards_tell_of_it(server: Calling) -> None:
    async def look() -> list[Any]:
        found = await tasks_of(server, 'kind = "Echo"')
        return found if len(found) == 2 else []

    back, down = await eventually(look)
    assert (down.title, back.title) == ("site is down", "site is up")
    assert dict(down.labels) == {"check": "site", "before": "up", "after": "down"}
    card = await server.get(down.parent)
    assert (card.kind, card.title, card.state) == ("Check", "check site", State.STATE_COMPLETED)
    assert (card.initiator, card.origin) == ("Scheduler", task_pb2.ORIGIN_SYSTEM)
    request = history.ListStepsRequest(parent=down.parent.replace("tasks/", "cards/"))
    steps = [step.text for step in (await server.history.ListSteps(request, timeout=DEADLINE)).steps]
    told = [text for text in steps if "down since " in text]
    assert told, steps
    assert "UTC after 2 failures: 503 Service Unavailable" in told[0]
