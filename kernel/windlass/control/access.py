"""The Access service: who the caller is, tokens, and the audit log."""

from __future__ import annotations

from typing import Any

from windlass_proto.v1 import access_pb2, access_service_pb2, access_service_pb2_grpc

from windlass.control import convert, scope
from windlass.control.guard import caller
from windlass.control.lists import listing
from windlass.control.notes import note
from windlass.control.paging import bounded, page_size, read_token, write_token
from windlass.control.status import answers
from windlass.control.values import payload, read_seconds, timestamp
from windlass.core.fields import AUDIT
from windlass.host.grants import Grant, new_token
from windlass.host.kernel import Kernel
from windlass.store.audit import AuditEntry
from windlass.store.tokens import TokenFacts


class AccessServicer(access_service_pb2_grpc.AccessServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._access = kernel.access
        self._audit = kernel.audit

    @answers
    async def WhoAmI(
        self, request: access_service_pb2.WhoAmIRequest, context: Any
    ) -> access_service_pb2.WhoAmIResponse:
        who = caller.get()
        return access_service_pb2.WhoAmIResponse(
            subject=who.name,
            role=int(who.role),  # type: ignore[arg-type]
            origin=who.origin,  # type: ignore[arg-type]
            pools=sorted(who.pools),
            credential=who.credential,
        )

    @answers
    async def CreateToken(
        self, request: access_service_pb2.CreateTokenRequest, context: Any
    ) -> access_service_pb2.CreateTokenResponse:
        wanted = new_token(_grant(request), caller.get())
        made, secret = await self._access.create(wanted, note(request, ""))
        return access_service_pb2.CreateTokenResponse(token=_token(made), secret=secret)

    @answers
    async def ListTokens(
        self, request: access_service_pb2.ListTokensRequest, context: Any
    ) -> access_service_pb2.ListTokensResponse:
        name = f"tokens, ended: {request.show_ended}"
        (after,) = read_token(name, request.page_token, tuple[int]) or (None,)
        size = page_size(request.page_size, 50)
        page = await self._access.tokens.tokens(size, after, ended=request.show_ended, pools=scope.pools())
        return access_service_pb2.ListTokensResponse(
            tokens=map(_token, page.items), next_page_token=write_token(name, page.after)
        )

    @answers
    async def RevokeToken(self, request: access_service_pb2.RevokeTokenRequest, context: Any) -> access_pb2.Token:
        token = convert.read_id(request.name, "tokens")
        noted = note(request, request.name, request.reason)
        return _token(await self._access.revoke(token, caller.get(), noted))

    @answers
    async def ListAudit(
        self, request: access_service_pb2.ListAuditRequest, context: Any
    ) -> access_service_pb2.ListAuditResponse:
        asked = listing("audit", AUDIT, tuple[int], request.filter)
        (after,) = asked.place(request.page_token) or (None,)

        async def read(size: int) -> access_service_pb2.ListAuditResponse:
            page = await self._audit.entries(size, after, asked.filter)
            return access_service_pb2.ListAuditResponse(
                entries=map(_entry, page.items), next_page_token=asked.token(page.after)
            )

        return await bounded(read, page_size(request.page_size, 50))


def _grant(request: access_service_pb2.CreateTokenRequest) -> Grant:
    return Grant(
        subject=request.subject,
        role=request.role,
        origin=request.origin,
        pools=tuple(request.pools),
        ttl=read_seconds(request.ttl, "ttl") if request.HasField("ttl") else None,
    )


def _token(facts: TokenFacts) -> access_pb2.Token:
    return access_pb2.Token(
        name=f"tokens/{facts.id}",
        subject=facts.subject,
        role=int(facts.role),  # type: ignore[arg-type]
        origin=facts.origin,  # type: ignore[arg-type]
        pools=facts.pools,
        create_time=timestamp(facts.created_at),
        expire_time=timestamp(facts.expires_at),
        revoke_time=timestamp(facts.revoked_at),
        last_use_time=timestamp(facts.last_used_at),
        created_by=facts.created_by,
    )


def _entry(entry: AuditEntry) -> access_pb2.AuditEntry:
    written = entry.note
    return access_pb2.AuditEntry(
        name=f"audit/{entry.id}",
        time=timestamp(entry.at),
        subject=written.subject,
        credential=written.credential,
        role=int(written.role),  # type: ignore[arg-type]
        method=written.method,
        resource=written.resource,
        reason=written.reason,
        request=payload(written.request.encode()),
    )
