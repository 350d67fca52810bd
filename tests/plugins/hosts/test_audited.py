"""Who changes a host is written down, and what a pushed file says is not."""

from __future__ import annotations

import grpc
import msgspec
from windlass import Role
from windlass.store.port import Store
from windlass_proto.v1 import access_service_pb2 as access

from tests.control.calling import DEADLINE, Calling, State, calling, refused

SECRET = "hush, hush"


async def asked(server: Calling) -> list[tuple[str, str, object]]:
    entries = (await server.access.ListAudit(access.ListAuditRequest(), timeout=DEADLINE)).entries
    found = [(entry.resource, entry.subject, msgspec.json.decode(entry.request.data)) for entry in entries]
    return [(resource, subject, request["task"]["payload"]["data"]) for resource, subject, request in found]


async def test_a_push_and_a_restart_are_written_down_without_what_the_file_says(dsn: str, store: Store) -> None:
    async with calling(dsn, store) as server:
        _, secret = await server.token(Role.OPERATOR)
        async with server.holder(secret) as operator:
            name = await operator.enqueue("PushFile", {"path": "/srv/a", "content": SECRET, "mode": "0600"})
            await operator.enqueue("RestartUnit", {"unit": "nginx.service"})
        restarted, pushed = await asked(server)
        assert pushed == ("kinds/PushFile", "a operator", {"path": "/srv/a", "content": "(left out)", "mode": "0600"})
        assert restarted == ("kinds/RestartUnit", "a operator", {"unit": "nginx.service"})
        refusal = await server.ended(name)
    assert (refusal.state, refusal.title) == (State.STATE_FAILED, "push /srv/a")
    assert "plugins.hosts.directories" in refusal.message


async def test_a_submitter_may_look_and_ping_and_change_nothing(dsn: str, store: Store) -> None:
    async with calling(dsn, store) as server:
        _, secret = await server.token(Role.SUBMITTER)
        async with server.holder(secret) as submitter:
            for kind, payload in (
                ("PushFile", {"path": "/srv/a", "content": ""}),
                ("RestartUnit", {"unit": "a.service"}),
            ):
                refusal = await refused(submitter.enqueue(kind, payload))
                assert (refusal.code, refusal.facts["needed"]) == (grpc.StatusCode.PERMISSION_DENIED, "operator")
            ended = [
                await submitter.ended(await submitter.enqueue(kind, payload))
                for kind, payload in (("HostFacts", {}), ("Ping", {"address": "127.0.0.1", "count": 1}))
            ]
        assert [task.state for task in ended] == [State.STATE_COMPLETED] * 2
        assert await asked(server) == []
