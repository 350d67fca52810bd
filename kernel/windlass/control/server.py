"""The gRPC server: its limits, its services, and where it may listen."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from windlass_proto.v1 import history_service_pb2_grpc, tasks_service_pb2_grpc

from windlass.control.guard import Guard
from windlass.control.history import HistoryServicer
from windlass.control.tasks import TasksServicer
from windlass.errors import BootError
from windlass.host.kernel import Kernel

SERVICES: tuple[tuple[Callable[[Any, Any], None], Callable[[Kernel], Any]], ...] = (
    (tasks_service_pb2_grpc.add_TasksServicer_to_server, TasksServicer),
    (history_service_pb2_grpc.add_HistoryServicer_to_server, HistoryServicer),
)
"""What adds each to a server, and what makes it of the kernel."""
HEALTH_NAMES = ("", "windlass.v1.Tasks", "windlass.v1.History")

OPTIONS = [
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1_000),
    # A peer that went silent is found within 12 s.  Without the last line it took a minute longer: so long gRPC waits for
    # the answer to a ping, whatever the keepalive's own timeout says.
    ("grpc.keepalive_time_ms", 8_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Two servers on one port would share its calls without a word.
    ("grpc.so_reuseport", 0),
]


def check_loopback(listen: str) -> None:
    """Refuse an address that others can reach: there is no TLS and there are no scoped tokens yet."""
    if listen.startswith("unix:"):
        return
    host = listen.rpartition(":")[0].strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise BootError(
            f"server.listen = {listen!r} is not a loopback address; without TLS and scoped tokens, which are still"
            " to come, only this machine may call: use 127.0.0.1:7654, or reach it through an SSH tunnel"
        )


class Server:
    def __init__(self, kernel: Kernel, token: str) -> None:
        self._server = grpc.aio.server(interceptors=[Guard(token)], options=OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for add, servicer in SERVICES:
            add(servicer(kernel), self._server)

    async def start(self, listen: str) -> str:
        """Listen; returns the address with the port that was taken.  Raises `BootError` when it is in use."""
        check_loopback(listen)
        try:
            port = self._server.add_insecure_port(listen)
        except RuntimeError as error:
            raise BootError(
                f"can't listen on {listen}: {error}; is another server there? choose another --listen"
            ) from error
        await self._server.start()
        for service in HEALTH_NAMES:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"

    async def stop(self, grace: float) -> None:
        """Say that we go, let calls end within the grace, then end them."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)
