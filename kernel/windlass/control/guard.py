"""Who may call: nobody, unless a token or a certificate says who it is and its role suffices.

A call passes here once: who it is (`Gatekeeper`), whether its role allows the method (control/roles.py), whether its
scope does.  What a scope leaves visible within a method is for the servicers (control/scope.py).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from windlass.control.gatekeeper import Gatekeeper, Pass
from windlass.control.open_streams import OpenStreams
from windlass.control.roles import OPEN_TO_ALL, SCOPED, role_of
from windlass.control.status import refuse
from windlass.control.tracing import traced
from windlass.core.access import allows
from windlass.errors import CallTimedOut, Forbidden, RoleTooLow, ScopeTooNarrow, TooManyCalls, WindlassError
from windlass.host.admission import Caller

RpcHandler = Any
"""grpc.RpcMethodHandler, whose type arguments say nothing here."""

caller: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")
"""The authenticated caller of the RPC that runs now."""
method: contextvars.ContextVar[str] = contextvars.ContextVar("method")
"""Its name, such as `/windlass.v1.Tasks/Get`."""
marked: contextvars.ContextVar[frozenset[str]] = contextvars.ContextVar("marked")
"""Names of payload properties that some kind's schema marks as secret."""


class Guard(grpc.aio.ServerInterceptor):
    """`deadline`: seconds that a unary call gets whose caller named none; `secret`: see `marked`.

    `strangers`: how many calls that need no token may be open at once.
    """

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        streams: OpenStreams,
        deadline: float,
        strangers: int,
        secret: frozenset[str] = frozenset(),
    ) -> None:
        self._gatekeeper = gatekeeper
        self._streams = streams
        self._deadline = deadline
        self._places = strangers
        self._secret = secret

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[RpcHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> RpcHandler:
        name = handler_call_details.method
        if name in OPEN_TO_ALL:
            return await continuation(handler_call_details) if self._take_place() else _refusal(_full())
        marked.set(self._secret)
        try:
            shown = await self._gatekeeper.look_at(handler_call_details.invocation_metadata)
            if shown is not None:
                _admit(shown.caller, name)
        except WindlassError as error:
            return _refusal(error)
        handler = await continuation(handler_call_details)
        if handler is not None and role_of(name) is None:
            return _refusal(Forbidden(f"{name} is nobody's: no role is set for it"))
        if handler is None:
            return None
        return self._guarded(traced(handler, name, handler_call_details.invocation_metadata), name, shown)

    def _take_place(self) -> bool:
        """A stranger may watch health for ever, or send a call and never its message: not in everybody's places."""
        task = asyncio.current_task()
        if self._places <= 0 or task is None:
            return False
        self._places -= 1
        task.add_done_callback(self._give_back)
        return True

    def _give_back(self, _: object) -> None:
        self._places += 1

    def _guarded(self, handler: RpcHandler, name: str, shown: Pass | None) -> RpcHandler:
        if not handler.request_streaming and not handler.response_streaming:
            return handler._replace(unary_unary=self._unary(handler.unary_unary, name, shown))
        kind = next(kind for kind in ("unary_stream", "stream_unary", "stream_stream") if getattr(handler, kind))
        behaviour = getattr(handler, kind)
        generates = inspect.isasyncgenfunction(behaviour)
        wrap = self._stream if generates else self._exchange
        return handler._replace(**{kind: wrap(behaviour, name, shown)})

    def _unary(self, behaviour: Any, name: str, shown: Pass | None) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            if shown is None:
                await self._pass_by_certificate(context, name)
            if context.time_remaining() is not None:
                return await behaviour(request, context)
            try:
                async with asyncio.timeout(self._deadline):
                    return await behaviour(request, context)
            except TimeoutError:
                await refuse(context, _timed_out(self._deadline))

        return answer

    def _stream(self, behaviour: Any, name: str, shown: Pass | None) -> Any:
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            taken = shown or await self._pass_by_certificate(context, name)
            with self._streams.held(taken.digest, context):
                async for message in behaviour(request, context):
                    yield message

        return stream

    def _exchange(self, behaviour: Any, name: str, shown: Pass | None) -> Any:
        """The same for a handler that reads and writes by itself."""

        async def exchange(request: Any, context: Any) -> Any:
            taken = shown or await self._pass_by_certificate(context, name)
            with self._streams.held(taken.digest, context):
                return await behaviour(request, context)

        return exchange

    async def _pass_by_certificate(self, context: Any, name: str) -> Pass:
        """A certificate is seen only from inside the call; what it names decides like a token would."""
        try:
            shown = self._gatekeeper.look_at_certificate(context.auth_context())
            _admit(shown.caller, name)
        except WindlassError as error:
            await refuse(context, error)
        return shown


def _admit(who: Caller, name: str) -> None:
    """Let `who` call `name`.  Raises `RoleTooLow` or `ScopeTooNarrow`; what nobody serves passes, to be told so."""
    least = role_of(name)
    if least is not None:
        if not allows(who.role, least):
            raise RoleTooLow(
                f"{_short(name)} needs the role {least.name.lower()}, and yours is {who.role.name.lower()}:"
                " ask an admin for a token with it",
                needed=least.name.lower(),
                role=who.role.name.lower(),
            )
        if who.pools and name not in SCOPED:
            raise ScopeTooNarrow(
                f"{_short(name)} concerns more than the pools that your token is good for: it needs one for all pools",
                pools=", ".join(sorted(who.pools)),
            )
    caller.set(who)
    method.set(name)


def _short(name: str) -> str:
    return name.removeprefix("/windlass.v1.")


def _full() -> TooManyCalls:
    return TooManyCalls("too many calls that need no token are open; try again later, or ask the probe port")


def _timed_out(deadline: float) -> CallTimedOut:
    return CallTimedOut(
        f"the call took longer than {deadline:.3g} s, which it gets when it names no deadline of its own"
    )


def _refusal(error: WindlassError) -> RpcHandler:
    """A handler that reads nothing of what was sent, whatever the kind of call."""

    async def refused(_requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await refuse(context, error)

    return grpc.stream_stream_rpc_method_handler(refused)
