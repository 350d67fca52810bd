"""The kind Ping."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Annotated

import msgspec
from icmplib import (
    AsyncSocket,
    DestinationUnreachable,
    ICMPLibError,
    ICMPRequest,
    ICMPSocketError,
    ICMPv4Socket,
    ICMPv6Socket,
    SocketPermissionError,
    TimeExceeded,
    TimeoutExceeded,
)
from msgspec import Meta
from windlass import Context, Failed, Handler, Outcome, Rejected, Retry, RetryPolicy, Success

from windlass_hosts.addresses import Address, Unresolved, check_allowed, check_target, resolve
from windlass_hosts.asked import Asked, unless_asked
from windlass_hosts.settings import HostsSettings

NOT_ALLOWED = (
    "this host lets Windlass send no pings: allow its group in net.ipv4.ping_group_range"
    " (sysctl -w net.ipv4.ping_group_range='0 2147483647'), or give the process CAP_NET_RAW"
)


class PingPayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    address: Annotated[str, Meta(description="An address (IPv4 or IPv6), or the name of a host.")]
    count: Annotated[int, Meta(ge=1, le=100, description="How many packets are sent.")] = 4
    interval: Annotated[float, Meta(ge=0.2, le=60, description="Seconds from one packet to the next.")] = 1.0
    timeout: Annotated[float, Meta(gt=0, le=30, description="Seconds that an answer may take.")] = 2.0

    def __post_init__(self) -> None:
        check_target("address", self.address)


class PingResult(msgspec.Struct, frozen=True):
    """`loss` is from 0 to 1; the times are milliseconds, None when nothing came back."""

    address: str
    sent: int
    received: int
    loss: float
    min: float | None = None
    avg: float | None = None
    max: float | None = None


class Ping(Handler[PingPayload]):
    """Pings a host, and says how many answers came back and how long they took."""

    kind = "Ping"
    retry = RetryPolicy(attempts=3, pause=5.0)

    def __init__(self, settings: HostsSettings) -> None:
        self._settings = settings

    def title(self, payload: PingPayload) -> str:
        return f"ping {payload.address}"

    async def run(self, ctx: Context, payload: PingPayload) -> Outcome:
        try:
            address = await resolve(payload.address)
        except Unresolved as error:
            return Retry(str(error))
        check_allowed(address, self._settings.ping_networks)
        if str(address) != payload.address:
            await ctx.step(f"{payload.address} is {address}")
        await ctx.stage(f"pinging {address}")
        with _socket(address) as socket:
            pinging = Pinging(ctx, socket, address, payload)
            with suppress(Asked):
                await pinging.run()
        result = pinging.result()
        await ctx.step(_words(result))
        if ctx.cancelled.is_set():
            return Failed(f"ended after {result.sent} of {payload.count} packets", result)
        if not result.received:
            return Failed(f"{address} does not answer: {pinging.trouble or 'all packets were lost'}", result)
        return Success(result)


class Pinging:
    """One packet after the other; `trouble` is why the last one that was lost was lost, where that is known."""

    def __init__(self, ctx: Context, socket: AsyncSocket, address: Address, payload: PingPayload) -> None:
        self._ctx = ctx
        self._socket = socket
        self._address = address
        self._payload = payload
        self._sent = 0
        self._times: list[float] = []
        self.trouble = ""

    async def run(self) -> None:
        """Raises `Asked`."""
        now = asyncio.get_running_loop().time
        number, due = int.from_bytes(os.urandom(2), "big"), now()
        for sequence in range(self._payload.count):
            if sequence:
                await unless_asked(self._ctx, asyncio.sleep(due - now()))
            due = now() + self._payload.interval
            await self._once(ICMPRequest(str(self._address), number, sequence))
            await self._ctx.progress(sequence + 1, self._payload.count)

    async def _once(self, request: ICMPRequest) -> None:
        self._sent += 1
        try:
            self._socket.send(request)
            reply = await unless_asked(self._ctx, self._socket.receive(request, self._payload.timeout))
            reply.raise_for_status()
            self._times.append((reply.time - request.time) * 1000)
        except TimeoutExceeded:
            self.trouble = f"no answer within {self._payload.timeout:g} s"
        except (DestinationUnreachable, TimeExceeded, ICMPSocketError) as error:
            self.trouble = str(error)
        except ICMPLibError as error:
            self.trouble = f"{type(error).__name__}: {error}"

    def result(self) -> PingResult:
        times, sent = self._times, self._sent
        loss = round(1 - len(times) / sent, 4) if sent else 0.0
        spread = (min(times), sum(times) / len(times), max(times)) if times else (None, None, None)
        rounded = (None if value is None else round(value, 3) for value in spread)
        return PingResult(str(self._address), sent, len(times), loss, *rounded)


def _socket(address: Address) -> AsyncSocket:
    """Raises `Rejected` when this process may send no pings at all."""
    kind = ICMPv4Socket if address.version == 4 else ICMPv6Socket
    # Without privileges first: the system then hands us nobody else's answers.
    for privileged in (False, True):
        try:
            return AsyncSocket(kind(None, privileged))
        except SocketPermissionError:
            continue
        except ICMPSocketError as error:
            raise Rejected(f"address: this host can't ping {address}: {error}") from error
    raise Rejected(NOT_ALLOWED)


def _words(result: PingResult) -> str:
    words = f"{result.received} of {result.sent} packets came back, {result.loss * 100:.0f} % lost"
    if result.avg is None:
        return words
    return f"{words}; {result.min:.2f} / {result.avg:.2f} / {result.max:.2f} ms (least / average / most)"
