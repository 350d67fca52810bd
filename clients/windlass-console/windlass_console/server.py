"""The console as a process: a socket for browsers, a client for the server."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import uvicorn
from windlass_client import Client, WindlassError

from windlass_console.app import create
from windlass_console.settings import Settings

SHUTDOWN_SECONDS = 2
LAST_PORT = 65535
LOOPBACK = ("127.0.0.1", "::1")


def serve(listen: str, settings: Settings) -> int:
    """On an address of its own; the exit code."""

    async def run() -> int:
        listening = _listen(listen, settings)
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}{settings.prefix}"
        server = _server(settings)
        print(f"windlass console: ready on {url}", flush=True)
        if sys.stdout.isatty():
            print(f"To sign in: windlass console link --url {url}", flush=True)
        await server.serve([_prompt(listening)])
        return 0

    return _ended(run())


def serve_beside(fd: int, settings: Settings) -> int:
    """On a socket that is there, until standard input ends; the exit code."""

    async def run() -> int:
        server = _server(settings)
        watching = asyncio.create_task(_end_with_input(server))
        await server.serve([_prompt(socket.socket(fileno=fd))])
        watching.cancel()
        return 0

    return _ended(run())


def _server(settings: Settings) -> uvicorn.Server:
    own = Client.connect()
    config = uvicorn.Config(
        create(settings, own, own.with_token),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ws="none",
    )
    return uvicorn.Server(config)


def _prompt(listening: socket.socket) -> socket.socket:
    # asyncio does it for sockets that name their protocol, which this one does not: each page took 40 ms more.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def _end_with_input(server: uvicorn.Server) -> None:
    """Who started us holds the other end: it closes when that process is gone, however it went."""
    ended = asyncio.Event()

    def look() -> None:
        if not os.read(0, 4096):
            ended.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(0, look)
    await ended.wait()
    loop.remove_reader(0)
    server.should_exit = True


def _ended(run: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(run)
    except KeyboardInterrupt:
        return 130
    except (WindlassError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3


def _listen(listen: str, settings: Settings) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    if not port.isascii() or not port.isdecimal() or int(port) > LAST_PORT:
        raise ValueError(f"--listen must be host:port, not {listen!r}")
    if host not in LOOPBACK and not settings.secure:
        raise ValueError(
            "beyond this machine tokens would travel readable: put a proxy with TLS before it, and --https"
        )
    return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
