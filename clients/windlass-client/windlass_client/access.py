"""`client.access`: who may do what, and who did what."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from windlass_proto.v1 import access_pb2, access_service_pb2, access_service_pb2_grpc

from windlass_client import convert
from windlass_client.connection import Connection
from windlass_client.paging import Page, all_items
from windlass_client.reading import Name, read
from windlass_client.resources import Origin


class Role(StrEnum):
    """Each may do what those before it may; an AGENT only what agents do."""

    UNSPECIFIED = "UNSPECIFIED"
    VIEWER = "VIEWER"
    SUBMITTER = "SUBMITTER"
    OPERATOR = "OPERATOR"
    ADMIN = "ADMIN"
    AGENT = "AGENT"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the caller is; no `pools` means all of them.  `credential`: `tokens/7`, `token-file` or `certificate`."""

    subject: str
    role: Role
    origin: Origin
    pools: tuple[str, ...]
    credential: str


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, without its secret; no `pools` means all of them, no `expire_time` never."""

    name: Name
    subject: str
    role: Role
    origin: Origin
    pools: tuple[str, ...]
    create_time: datetime | None
    expire_time: datetime | None
    revoke_time: datetime | None
    last_use_time: datetime | None
    created_by: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """The only place where the secret ever appears."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"NewToken(token={self.token!r}, secret='…')"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One privileged call: who, with what, did what to which thing, and why; `request` is JSON without secrets."""

    id: int
    time: datetime | None
    subject: str
    credential: str
    role: Role
    method: str
    resource: str
    reason: str
    request: Any


class Access:
    def __init__(self, connection: Connection) -> None:
        self._call = connection.call
        self._stub = access_service_pb2_grpc.AccessStub(connection.channel)

    async def whoami(self) -> Identity:
        return read(Identity, await self._call(self._stub.WhoAmI, access_service_pb2.WhoAmIRequest()))

    async def create_token(
        self,
        subject: str,
        role: Role,
        *,
        origin: Origin | None = None,
        pools: Sequence[str] = (),
        ttl: float | None = None,
    ) -> NewToken:
        """`subject` is who the token stands for; `ttl` in seconds, None never ends.

        It is sent once: a repetition would leave a second token whose secret nobody knows.
        """
        request = access_service_pb2.CreateTokenRequest(
            subject=subject,
            role=access_pb2.Role.Value(f"ROLE_{role}"),
            origin=convert.origin_number(origin),
            pools=pools,
        )
        if ttl is not None:
            request.ttl.FromNanoseconds(round(ttl * 1e9))
        return read(NewToken, await self._call(self._stub.CreateToken, request, once=True))

    def tokens(self, *, show_ended: bool = False, page_size: int = 0) -> AsyncGenerator[Token, None]:
        """The newest first; `show_ended`: also those that have expired or were revoked."""
        return all_items(lambda token: self.token_page(show_ended=show_ended, page_size=page_size, page_token=token))

    async def token_page(self, *, show_ended: bool = False, page_size: int = 0, page_token: str = "") -> Page[Token]:
        request = access_service_pb2.ListTokensRequest(
            show_ended=show_ended, page_size=page_size, page_token=page_token
        )
        reply = await self._call(self._stub.ListTokens, request)
        return Page(tuple(read(Token, each) for each in reply.tokens), reply.next_page_token)

    async def revoke(self, name: str, reason: str = "") -> Token:
        """Worthless on every server within 30 s; doing it again is no error."""
        request = access_service_pb2.RevokeTokenRequest(name=f"tokens/{name}", reason=reason)
        return read(Token, await self._call(self._stub.RevokeToken, request))

    def audit(self, *, filter: str = "", page_size: int = 0) -> AsyncGenerator[AuditEntry, None]:
        """Privileged calls, the newest first."""
        return all_items(lambda token: self.audit_page(filter=filter, page_size=page_size, page_token=token))

    async def audit_page(self, *, filter: str = "", page_size: int = 0, page_token: str = "") -> Page[AuditEntry]:
        request = access_service_pb2.ListAuditRequest(filter=filter, page_size=page_size, page_token=page_token)
        reply = await self._call(self._stub.ListAudit, request)
        return Page(tuple(read(AuditEntry, each) for each in reply.entries), reply.next_page_token)
