"""The console as a process: a socket for browsers, a client for the server."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from windlass_client import Client, WindlassError

from windlass_console.app import create
from windlass_console.settings import Settings

SHUTDOWN_SECONDS = 2


def serve(listen: str, settings: Settings) -> int:
    """The exit code."""
    try:
        return asyncio.run(_run(listen, settings))
    except (WindlassError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3


def _listen(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    made = socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    # asyncio does it for sockets that name their protocol, which this one does not: each page took 40 ms more.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


async def _run(listen: str, settings: Settings) -> int:
    listening = _listen(listen)
    own = Client.connect()
    app = create(settings, own, own.with_token)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ws="none",
    )
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"windlass console: ready on http://{shown}:{port}{settings.prefix}/", flush=True)
    await uvicorn.Server(config).serve([listening])
    return 0
