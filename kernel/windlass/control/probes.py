"""The probe port: `/health`, `/ready` and `/metrics` over HTTP, in the server's own event loop.

It carries no secret and starts nothing, so it asks for no token and may listen anywhere; who should not see it is kept
away by the network, as with any metrics page.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from windlass.errors import BootError
from windlass.host.observer import Observer
from windlass.telemetry import prometheus

log = structlog.get_logger()

GRACE_SECONDS = 1
MOST_AT_ONCE = 100
"""Connections; further ones are answered with 503."""


class Probes:
    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        routes = [
            Route("/health", self._health),
            Route("/ready", self._ready),
            Route("/metrics", self._metrics),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            http="h11",
            ws="none",
            limit_concurrency=MOST_AT_ONCE,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self, listen: str) -> str:
        """The address with the port that was taken.  Raises `BootError`."""
        listener = _listener(listen)
        self._serving = asyncio.create_task(self._server.serve([listener]), name="probes")
        host, port = listener.getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        log.info("probes are served", address=address)
        return address

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.wait((self._serving,))

    async def _health(self, _: Request) -> Response:
        """Whether the process is alive: it has just answered.  What plugins say of theirs goes beside the status."""
        return JSONResponse({**await self._observer.beside(), "status": "ok"})

    async def _ready(self, _: Request) -> Response:
        if reason := await self._observer.hindrance():
            return JSONResponse({"ready": False, "reason": reason}, 503)
        return JSONResponse({"ready": True})

    async def _metrics(self, _: Request) -> Response:
        page = prometheus.text(await self._observer.families())
        return Response(page, headers={"content-type": prometheus.CONTENT_TYPE})


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the kernel's: a drain takes its time, and is probed until its end."""
        yield


def _listener(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal():
        raise BootError(f"server.probes must be host:port (port 0: a free one), not {listen!r}")
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise BootError(f"can't serve probes on {listen}: {error}; choose another server.probes") from error
