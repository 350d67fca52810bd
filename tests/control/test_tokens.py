"""The Access service: tokens are made, listed and taken away; the audit log is read."""

from __future__ import annotations

import json
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from windlass.core.access import Role
from windlass_proto.v1 import access_pb2
from windlass_proto.v1 import access_service_pb2 as access
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, Calling, refused


async def create(server: Calling, subject: str = "billing", role: int = Role.SUBMITTER, **more: Any) -> Any:
    request = access.CreateTokenRequest(subject=subject, role=role, **more)  # type: ignore[arg-type]
    return await server.access.CreateToken(request, timeout=DEADLINE)


async def revoke(server: Calling, name: str, reason: str = "") -> access_pb2.Token:
    return await server.access.RevokeToken(access.RevokeTokenRequest(name=name, reason=reason), timeout=DEADLINE)


async def listed(server: Calling, **how: Any) -> list[str]:
    found = await server.access.ListTokens(access.ListTokensRequest(**how), timeout=DEADLINE)
    return [token.name for token in found.tokens]


async def audit(server: Calling, **how: Any) -> Any:
    return await server.access.ListAudit(access.ListAuditRequest(**how), timeout=DEADLINE)


async def test_a_new_token_opens_what_it_was_made_for(server: Calling) -> None:
    made = await create(server, pools=["default"], ttl=Duration(seconds=3600), origin=1)
    async with server.holder(made.secret) as holder:
        me = await holder.access.WhoAmI(access.WhoAmIRequest(), timeout=DEADLINE)
        assert (me.subject, me.role, me.origin) == ("billing", access_pb2.ROLE_SUBMITTER, 1)
        assert (list(me.pools), me.credential) == (["default"], made.token.name)
    token = made.token
    assert token.expire_time.ToSeconds() - token.create_time.ToSeconds() == 3600
    assert not token.HasField("revoke_time")
    assert not token.HasField("last_use_time")
    mine = await server.access.WhoAmI(access.WhoAmIRequest(), timeout=DEADLINE)
    assert token.created_by == mine.subject


async def test_the_secret_is_in_the_answer_and_nowhere_else(server: Calling) -> None:
    made = await create(server)
    tables = ("token", "audit")
    with psycopg.connect(server.dsn) as connection:
        kept = [connection.execute(f"select * from windlass.{table}".encode()).fetchall() for table in tables]
    assert made.secret.startswith("wdl_")
    assert made.secret not in str(kept)
    assert made.secret.removeprefix("wdl_").encode() not in str(kept).encode()
    found = await server.access.ListTokens(access.ListTokensRequest(), timeout=DEADLINE)
    assert made.secret not in str(found)
    assert made.secret not in str(await audit(server))


async def test_a_token_that_is_revoked_stays_in_the_list_of_those_that_ended(server: Calling) -> None:
    made = (await create(server)).token.name
    kept = (await create(server)).token.name
    gone = await revoke(server, made, "left")
    assert gone.HasField("revoke_time")
    assert (await revoke(server, made)).revoke_time == gone.revoke_time
    assert await listed(server) == [kept]
    assert await listed(server, show_ended=True) == [kept, made]


async def test_tokens_come_in_pages_bound_to_what_was_asked(server: Calling) -> None:
    made = [(await create(server)).token.name for _ in range(3)][::-1]
    first = await server.access.ListTokens(access.ListTokensRequest(page_size=2), timeout=DEADLINE)
    assert [token.name for token in first.tokens] == made[:2]
    assert await listed(server, page_size=2, page_token=first.next_page_token) == made[2:]
    other = access.ListTokensRequest(show_ended=True, page_token=first.next_page_token)
    assert (await refused(server.access.ListTokens(other, timeout=DEADLINE))).reason == "PAGE_TOKEN_INVALID"


async def test_use_is_seen_in_the_list(server: Calling) -> None:
    made = await create(server, role=Role.VIEWER)
    async with server.holder(made.secret) as holder:
        await holder.tasks.List(tasks.ListTasksRequest(), timeout=DEADLINE)
    await server.kernel.access.note_use()
    found = await server.access.ListTokens(access.ListTokensRequest(), timeout=DEADLINE)
    assert found.tokens[0].last_use_time.seconds % 60 == 0
    assert found.tokens[0].HasField("last_use_time")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("subject", {"subject": ""}),
        ("subject", {"subject": "x" * 101}),
        ("role", {"role": 0}),
        ("role", {"role": 9}),
        ("origin", {"origin": 7}),
        ("pools", {"pools": [""]}),
        ("ttl", {"ttl": Duration(seconds=-1)}),
        ("ttl", {"ttl": Duration(seconds=315_576_000_000)}),
        ("ttl", {"ttl": Duration(seconds=315_576_000_001)}),
    ],
)
async def test_a_token_that_can_not_be_names_the_field(server: Calling, field: str, wrong: dict[str, Any]) -> None:
    refusal = await refused(create(server, **wrong))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert server.count("token") == server.count("audit") == 0


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        ("tokens/x", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        ("tasks/1", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        ("tokens/99", grpc.StatusCode.NOT_FOUND, "TOKEN_NOT_FOUND"),
    ],
)
async def test_what_can_not_be_revoked_is_said(server: Calling, name: str, code: Any, reason: str) -> None:
    refusal = await refused(revoke(server, name))
    assert (refusal.code, refusal.reason) == (code, reason)


async def test_a_reason_too_long_revokes_nothing(server: Calling) -> None:
    made = (await create(server)).token.name
    assert (await refused(revoke(server, made, "x" * 501))).field == "reason"
    assert await listed(server) == [made]


async def test_a_scoped_admin_rules_within_its_pools_only(server: Calling) -> None:
    wide = (await create(server, pools=["default", "feeds"])).token.name
    everything = (await create(server)).token.name
    _, secret = await server.token(Role.ADMIN, "default", "mail")
    async with server.holder(secret) as admin:
        for pools in ([], ["feeds"], ["default", "feeds"]):
            refusal = await refused(create(admin, pools=pools))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POOL_OUT_OF_SCOPE")
        inside = (await create(admin, pools=["default"], role=Role.ADMIN)).token.name
        assert inside in await listed(admin)
        assert not {wide, everything} & set(await listed(admin))
        for hidden in (wide, everything):
            assert (await refused(revoke(admin, hidden))).reason == "TOKEN_NOT_FOUND"
        assert (await revoke(admin, inside)).HasField("revoke_time")
        assert (await refused(audit(admin))).reason == "SCOPE_TOO_NARROW"
    assert {wide, everything} <= set(await listed(server))


async def test_the_audit_log_says_who_did_what_newest_first(server: Calling) -> None:
    made = (await create(server, role=Role.OPERATOR)).token.name
    task = await server.enqueue("Wait")
    await server.tasks.Interrupt(tasks.InterruptRequest(name=task, reason="stuck"), timeout=DEADLINE)
    entries = (await audit(server)).entries
    assert [(entry.method, entry.resource, entry.reason) for entry in entries] == [
        ("windlass.v1.Tasks/Interrupt", task, "stuck"),
        ("windlass.v1.Access/CreateToken", made, ""),
    ]
    newest = entries[0]
    assert (newest.role, newest.credential) == (access_pb2.ROLE_ADMIN, "token-file")
    assert json.loads(newest.request.data) == {"name": task, "reason": "stuck"}
    assert newest.request.content_type == "application/json"
    assert newest.time.seconds > 0


async def test_the_audit_log_comes_in_pages(server: Calling) -> None:
    for _ in range(3):
        await create(server)
    first = await audit(server, page_size=2)
    rest = await audit(server, page_size=2, page_token=first.next_page_token)
    ids = [int(entry.name.removeprefix("audit/")) for entry in (*first.entries, *rest.entries)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    assert rest.next_page_token == ""
    wrong = audit(server, page_token="nonsense")
    assert (await refused(wrong)).reason == "PAGE_TOKEN_INVALID"
    assert (await refused(audit(server, page_size=-1))).field == "page_size"


async def test_the_audit_log_is_filtered_and_a_page_belongs_to_its_filter(server: Calling) -> None:
    for subject in ("ada", "bob"):
        await create(server, subject)
    await revoke(server, await made_for(server, "bob"), "left us")
    revoked = (await audit(server, filter='reason:"left" AND method:RevokeToken')).entries
    assert [entry.reason for entry in revoked] == ["left us"]
    first = await audit(server, filter="method:CreateToken", page_size=1)
    assert first.next_page_token
    other = audit(server, filter="method:RevokeToken", page_size=1, page_token=first.next_page_token)
    assert (await refused(other)).reason == "PAGE_TOKEN_INVALID"
    refusal = await refused(audit(server, filter="colour = red"))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "filter")


async def made_for(server: Calling, subject: str) -> str:
    found = await server.access.ListTokens(access.ListTokensRequest(), timeout=DEADLINE)
    return next(token.name for token in found.tokens if token.subject == subject)
