"""Whoever asks through a door may be told that his request joined a task that was there already."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from windlass import Operation, OperationCall, Settings, hookimpl
from windlass.store.port import Store
from windlass_proto.v1 import operations_service_pb2 as pb

from tests.control.calling import DEADLINE, calling


class Asks:
    @hookimpl
    def windlass_register_operations(self, settings: Settings) -> Iterable[Operation]:
        return [Operation("echo", "Echo", "Asks for one.", self.echo)]

    async def echo(self, call: OperationCall, argument: Any) -> Any:
        return await call.ask("Echo", {"n": 1}, coalesce_key="all", delay=60.0)


async def test_a_door_tells_who_joined(dsn: str, store: Store) -> None:
    async with calling(dsn, store, plugins={"asks": Asks()}) as server:
        request = pb.CallOperationRequest(name="operations/asks.echo")
        replies = [await server.operations.Call(request, timeout=DEADLINE) for _ in range(3)]
        first, *others = [json.loads(reply.result.data) for reply in replies]
        assert first["joined"] is False
        assert others == [{"task": first["task"], "joined": True}] * 2
