"""The gRPC server: its limits, its services, and where it may listen."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import grpc
import msgspec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from windlass_proto.v1 import (
    access_service_pb2_grpc,
    cluster_service_pb2_grpc,
    history_service_pb2_grpc,
    operations_service_pb2_grpc,
    overview_service_pb2_grpc,
    schedules_service_pb2_grpc,
    tasks_service_pb2_grpc,
    workers_service_pb2_grpc,
)

from windlass.config import ServerConfig
from windlass.control.access import AccessServicer
from windlass.control.cluster import ClusterServicer
from windlass.control.gatekeeper import Gatekeeper
from windlass.control.guard import Guard
from windlass.control.history import HistoryServicer
from windlass.control.open_streams import RECHECK, OpenStreams
from windlass.control.operations import OperationsServicer
from windlass.control.overview import OverviewServicer
from windlass.control.paging import LARGEST_MESSAGE
from windlass.control.roles import check_roles
from windlass.control.schedules import SchedulesServicer
from windlass.control.tasks import TasksServicer
from windlass.control.tls import Certificates
from windlass.control.workers import WorkersServicer
from windlass.core.access import ROLE_NAMES
from windlass.errors import BootError
from windlass.host.kernel import Kernel

SERVICES: tuple[tuple[Callable[[Any, Any], None], Callable[[Kernel], Any]], ...] = (
    (tasks_service_pb2_grpc.add_TasksServicer_to_server, TasksServicer),
    (history_service_pb2_grpc.add_HistoryServicer_to_server, HistoryServicer),
    (overview_service_pb2_grpc.add_OverviewServicer_to_server, OverviewServicer),
    (schedules_service_pb2_grpc.add_SchedulesServicer_to_server, SchedulesServicer),
    (cluster_service_pb2_grpc.add_ClusterServicer_to_server, ClusterServicer),
    (operations_service_pb2_grpc.add_OperationsServicer_to_server, OperationsServicer),
    (access_service_pb2_grpc.add_AccessServicer_to_server, AccessServicer),
    (workers_service_pb2_grpc.add_WorkersServicer_to_server, WorkersServicer),
)
"""What adds each to a server, and what makes it of the kernel."""


class Limits(msgspec.Struct, frozen=True):
    """What one caller may ask of a server.  Bytes, seconds, and numbers of calls."""

    message: int = LARGEST_MESSAGE
    metadata: int = 16 * 1024
    streams: int = 1_000
    """Calls at once on one connection; further ones wait at the client."""
    calls: int = 10_000
    """Calls at once in all; further ones are RESOURCE_EXHAUSTED."""
    strangers: int = 500
    """Of these, calls that need no token: health."""
    deadline: float = 60.0
    """What a unary call gets whose caller named none."""
    ping_every: float = 10.0
    """A client that pings more often is sent away (too_many_pings)."""
    recheck: float = RECHECK

    @property
    def options(self) -> list[tuple[str, int]]:
        """As gRPC takes them."""
        return [
            ("grpc.max_receive_message_length", self.message),
            # Between a soft and a hard limit gRPC refuses at random: one limit for both.
            ("grpc.max_metadata_size", self.metadata),
            ("grpc.absolute_max_metadata_size", self.metadata),
            ("grpc.max_concurrent_streams", self.streams),
            # A peer that went silent is found within 12 s, by any number of pings: who watches what waits gets no data.
            ("grpc.keepalive_time_ms", 8_000),
            ("grpc.keepalive_timeout_ms", 4_000),
            # Without this it took a minute more: so long gRPC waits for the answer to a ping, whatever is said above.
            ("grpc.http2.ping_timeout_ms", 4_000),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", int(self.ping_every * 1000)),
            ("grpc.http2.max_ping_strikes", 2),
            # Two servers on one port would share its calls without a word.
            ("grpc.so_reuseport", 0),
        ]


class Server:
    """`token`: the server's own, good while only this machine can call.  Raises `BootError`."""

    def __init__(
        self, kernel: Kernel, token: str, config: ServerConfig | None = None, limits: Limits | None = None
    ) -> None:
        self._config, limits = config or ServerConfig(), limits or Limits()
        self._access = kernel.access
        roles = {name: ROLE_NAMES[role] for name, role in self._config.certificates.items()}
        self._gatekeeper = Gatekeeper(kernel.access, token, roles if self._config.tls_client_ca else None)
        self._streams = OpenStreams(kernel.access, limits.recheck)
        guard = Guard(self._gatekeeper, self._streams, limits.deadline, limits.strangers, kernel.secret_names)
        self._server = grpc.aio.server(
            interceptors=[guard], options=limits.options, maximum_concurrent_rpcs=limits.calls
        )
        self._health = health.aio.HealthServicer()
        served = _Served(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, served)
        for add, servicer in SERVICES:
            add(servicer(kernel), served)
        self._services = sorted({"", *(method.split("/")[1] for method in served.methods)} - {health.SERVICE_NAME})
        if self._config.reflection:
            _reflect(self._services[1:], served)
        check_roles(served.methods)

    async def start(self, listen: str) -> str:
        """Listen; returns the address with the port that was taken.  Raises `BootError` when it can't, or must not."""
        check_listen(listen, self._config)
        self._gatekeeper.is_local = is_loopback(listen)
        if (
            not self._gatekeeper.is_local
            and not self._config.certificates
            and not await self._access.tokens.any_usable()
        ):
            raise BootError(
                f"server.listen = {listen!r} can be reached by others, and nobody could call: there is no token."
                " Make the first one with `windlass first-token --role admin NAME` (with the same --home, --dsn or"
                " --config), or name client certificates in [server.certificates]; docs/access.md tells more"
            )
        port = self._bind(listen)
        await self._server.start()
        self._streams.start()
        for service in self._services:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"

    async def stop(self, grace: float) -> None:
        """Say that we go, let calls end within the grace, then end them."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)
        await self._streams.stop()

    def _bind(self, listen: str) -> int:
        secured = Certificates.of(self._config)
        try:
            if secured is not None:
                return self._server.add_secure_port(listen, secured.credentials())
            return self._server.add_insecure_port(listen)
        except RuntimeError as error:
            raise BootError(
                f"can't listen on {listen}: {error}; is another server there? choose another --listen"
            ) from error


class _Served:
    """Stands between the generated code and the server, to learn which methods are really served."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self.methods: set[str] = set()

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        for handler in handlers:
            known: Mapping[str, Any] | None = getattr(handler, "_method_handlers", None)
            if known is None:
                raise BootError(f"{handler!r} does not say which methods it serves, so no role could be set for them")
            self.methods |= set(known)
        self._server.add_generic_rpc_handlers(tuple(handlers))

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self.methods |= {f"/{service}/{name}" for name in handlers}
        self._server.add_registered_method_handlers(service, handlers)


def _reflect(services: Sequence[str], served: _Served) -> None:
    from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

    servicer = reflection.aio.ReflectionServicer(service_names=[*services, reflection.SERVICE_NAME])
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, served)


def is_loopback(listen: str) -> bool:
    """Whether only this machine can reach an address."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_listen(listen: str, config: ServerConfig) -> None:
    """Refuse an address that others can reach without TLS: a token would travel there readable for everyone."""
    if not is_loopback(listen) and not config.tls_cert:
        raise BootError(
            f"server.listen = {listen!r} is not a loopback address, and needs TLS: set server.tls_cert and"
            " server.tls_key (PEM files), and make the first token with `windlass first-token --role admin NAME`;"
            " or use 127.0.0.1:7654 and reach it through an SSH tunnel. docs/access.md tells more"
        )
