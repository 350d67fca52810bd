"""Who may call: every RPC demands the token that `serve` wrote.  A script runner without one is a hole."""

from __future__ import annotations

import contextvars
import getpass
import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from windlass.control.roles import OPEN_TO_ALL
from windlass.control.status import code_of, details_of
from windlass.errors import BootError, Unauthenticated
from windlass.host.admission import Caller

USER = 1
RpcHandler = Any
"""grpc.RpcMethodHandler, whose type arguments say nothing here."""

caller: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")
"""The authenticated caller of the RPC that runs now."""
method: contextvars.ContextVar[str] = contextvars.ContextVar("method")
"""Its name, such as `/windlass.v1.Tasks/Get`."""


def write_token(file: Path) -> str:
    """The server's token: made once, kept in a file that only its owner reads."""
    if file.exists():
        return _read_token(file)
    token = secrets.token_urlsafe(32)
    # Not the pid: two containers may share the home and both be pid 7.
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(token + "\n")
    try:
        # Two servers may start at once: the first one's token stands.
        os.link(fresh, file)
    except FileExistsError:
        token = _read_token(file)
    finally:
        fresh.unlink()
    return token


def _read_token(file: Path) -> str:
    if token := file.read_text("ascii").strip():
        return token
    raise BootError(f"the token file {file} is empty: remove it, and the next start makes a new one")


class Guard(grpc.aio.ServerInterceptor):
    """Lets a call in with the right bearer token, and says who it is: the owner of the token's file."""

    def __init__(self, token: str) -> None:
        self._digest = hashlib.sha256(token.encode()).digest()
        self._caller = Caller(name=_owner(), origin=USER, credential="token-file")

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[RpcHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> RpcHandler:
        if handler_call_details.method not in OPEN_TO_ALL:
            if not self._knows(dict(handler_call_details.invocation_metadata).get("authorization", "")):
                return REFUSAL
            caller.set(self._caller)
            method.set(handler_call_details.method)
        return await continuation(handler_call_details)

    def _knows(self, header: str | bytes) -> bool:
        scheme, _, token = str(header).partition(" ")
        digest = hashlib.sha256(token.strip().encode()).digest()
        return scheme.lower() == "bearer" and hmac.compare_digest(digest, self._digest)


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


async def _refuse(_request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    error = Unauthenticated(
        "this call needs the server's token: send it as `authorization: Bearer …`"
        " (the windlass command finds it in the server's home directory, or in WINDLASS_TOKEN)"
    )
    trailer = (("grpc-status-details-bin", details_of(error)),)
    await context.abort(code_of(error), error.message, trailing_metadata=trailer)


REFUSAL: RpcHandler = grpc.unary_unary_rpc_method_handler(_refuse)
