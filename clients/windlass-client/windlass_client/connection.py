"""One channel to one server: every call gets the token, a deadline, and another try while the server is UNAVAILABLE.

No other status is tried again (AIP-194): the server did not see the call, or says itself that it may be repeated.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import grpc.aio

from windlass_client.discovery import Server
from windlass_client.errors import HandshakeFailed, Unavailable, WindlassError
from windlass_client.status import error_of
from windlass_client.tracing import trace_headers

if TYPE_CHECKING:
    from google.protobuf.message import Message

    Request = TypeVar("Request", bound=Message)
    Reply = TypeVar("Reply", bound=Message)
    Check = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
RECEIVE_AT_MOST = 64 * 2**20
LONGEST_STREAM_S = 3600.0
"""Then a stream is opened anew: no call is without a deadline."""

OPTIONS = (
    # gRPC's own pauses between attempts to connect; its default grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # An attempt to connect that nothing answers ends after this.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # A link that went dead while a watch was silent is noticed within 20 s; servers take a ping every 10 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A page of cards with large payloads; what is sent is limited by the server.
    ("grpc.max_receive_message_length", RECEIVE_AT_MOST),
)

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}; the whole of it, so that no further package is needed


def pauses(chance: random.Random) -> Iterator[float]:
    """Seconds to wait before the next try, for ever: drawn from nothing to a longest pause, which doubles.

    Drawn from the whole of it, so that the clients of a server that comes back do not come back together.
    """
    longest = FIRST_PAUSE_S
    while True:
        yield longest * chance.random()
        longest = min(longest * 2, LONGEST_PAUSE_S)


class Connection:
    """`timeout` is the time one call may take in seconds, all of its tries together."""

    def __init__(self, server: Server, *, timeout: float, chance: random.Random | None = None) -> None:
        self.server = server
        self.timeout = timeout
        self.chance = chance or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        proxy = [("grpc.enable_http_proxy", 0)] if server.on_this_machine else []
        options = [*OPTIONS, *proxy]
        self.channel = (
            grpc.aio.secure_channel(server.address, server.tls.credentials(), options=options)
            if server.tls
            else grpc.aio.insecure_channel(server.address, options=options)
        )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What a call that begins now says beside its request."""
        token = (("authorization", f"Bearer {self.server.token}"),) if self.server.token else ()
        return (*token, *trace_headers())

    async def call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Reply], request: Request, *, once: bool = False
    ) -> Reply:
        """The reply, or the error; Unavailable only when the time is up.

        `once`: what may not be repeated waits for a connection, and is sent a single time.
        """
        deadline = time.monotonic() + self.timeout
        for drawn in pauses(self.chance):
            try:
                left = max(0.0, deadline - time.monotonic())
                return await method(request, timeout=left, metadata=self.metadata, wait_for_ready=once or None)
            except grpc.aio.AioRpcError as refused:
                error = self.error_of(refused)
                pause = max(drawn, error.details.retry_delay or 0.0)
                if once or not isinstance(error, Unavailable) or time.monotonic() + pause >= deadline:
                    raise error from refused
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    def error_of(self, refused: grpc.aio.AioRpcError) -> WindlassError:
        """What a call that was refused raises."""
        return error_of(refused, self.server.address)

    async def ready(self, timeout: float) -> None:
        """Returns once the server says that it serves; Unavailable when it has not within `timeout` seconds.

        HandshakeFailed at once when the two can't have TLS.
        """
        check: Check = self.channel.unary_unary(HEALTH_CHECK)
        said = ""
        try:
            async with asyncio.timeout(timeout):
                for pause in pauses(self.chance):
                    said = await self._health(check, timeout)
                    if not said:
                        return
                    await asyncio.sleep(pause)
        except TimeoutError:
            problem = f"no windlass server answers at {self.server.address} (tried for {timeout:g} s)"
            raise Unavailable(f"{problem}: {said}" if said else problem, reason="SERVER_NOT_REACHABLE") from None

    async def _health(self, check: Check, timeout: float) -> str:
        """Why the server does not serve yet; empty when it does, or answers at all without knowing the question."""
        try:
            answer = await check(b"", timeout=timeout)
        except grpc.aio.AioRpcError as refused:
            if isinstance(error := self.error_of(refused), HandshakeFailed):
                raise error from refused
            silent = refused.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            # gRPC tells the way down to the reason; the reason is its last part.
            return error.message.rpartition(": ")[2] if silent else ""
        return "" if answer == SERVING else "it is not serving yet"

    async def close(self) -> None:
        await self.channel.close()
