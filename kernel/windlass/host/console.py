"""The web console beside a server: a process of its own, started again when it dies, gone when the server goes."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import sys
from contextlib import suppress

import structlog

from windlass.config import USUAL_CONSOLE, ConsoleConfig
from windlass.errors import BootError

log = structlog.get_logger()

PACKAGE = "windlass_console"
AGAIN_SECONDS = (1.0, 2.0, 5.0, 15.0)
STEADY_SECONDS = 60.0
"""One that ran for so long did not end because it can't run."""
END_SECONDS = 1.0


class Console:
    """`url` is where browsers find it, empty when there is none: not wanted, or its package is not installed.

    The socket is ours, so the address stays the same however often the process is started again.
    """

    def __init__(self, config: ConsoleConfig) -> None:
        self.url = ""
        self._listen = config.listen
        self._config = config
        self._socket: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    def bind(self) -> None:
        """Take the address.  Raises `BootError`; the usual one, which nobody chose, may become another."""
        if not self._listen or importlib.util.find_spec(PACKAGE) is None:
            return
        try:
            self._socket = _bound(self._listen)
        except (OSError, ValueError) as error:
            if self._listen != USUAL_CONSOLE:
                raise BootError(
                    f"the console can't listen on {self._listen}: {error}; change console.listen"
                ) from error
            log.warning("the console's usual port is taken, taking a free one", usual=USUAL_CONSOLE)
            self._socket = _bound("127.0.0.1:0")
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}{self._config.prefix}"

    def start(self, address: str, token_file: str) -> None:
        """Run it for the server at `address`, until `stop`."""
        if self._socket is not None:
            self._keeping = asyncio.create_task(self._keep(self._socket, address, token_file))

    async def stop(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is not None:
            await _end(self._process)
            self._process = None
        if self._socket is not None:
            self._socket.close()

    async def _keep(self, listening: socket.socket, address: str, token_file: str) -> None:
        unknown = ("WINDLASS_TOKEN", "WINDLASS_PROFILE")
        environ = {name: value for name, value in os.environ.items() if name not in unknown}
        environ |= {"WINDLASS_ADDRESS": address, "WINDLASS_TOKEN_FILE": token_file}
        command = [sys.executable, "-m", PACKAGE, str(listening.fileno()), *_options(self._config)]
        now, in_a_row = asyncio.get_running_loop().time, 0
        while True:
            began = now()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command, env=environ, pass_fds=(listening.fileno(),), stdin=asyncio.subprocess.PIPE
                )
                code = await self._process.wait()
                log.warning("the console ended, starting it again", code=code)
            except OSError as error:
                log.warning("the console can't be started, trying it again", error=str(error))
            if now() - began > STEADY_SECONDS:
                in_a_row = 0
            await asyncio.sleep(AGAIN_SECONDS[min(in_a_row, len(AGAIN_SECONDS) - 1)])
            in_a_row += 1


def _options(config: ConsoleConfig) -> list[str]:
    hosts = [f"--host={host}" for host in config.hosts]
    flags = [flag for flag, wanted in (("--read-only", config.read_only), ("--https", config.https)) if wanted]
    return [*hosts, *flags, f"--prefix={config.prefix}", f"--trace-url={config.trace_url}"]


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
