"""The process that owns the servers of one home folder: `python -m windlass.embedded.supervisor HOME [LOCK]`.

It is started by the first user, by exec, in a session of its own, and outlives it. Each user holds a connection to its
control socket; when the last is gone, by whatever end, it stops the servers and goes. LOCK is the inherited descriptor
of the lock that made that user the one to start it; by hand it is left out.

The other way round, the kernel signals the servers when this process dies (launch.py). So nothing outlives its use.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from windlass.embedded import control
from windlass.embedded.control import Answer
from windlass.embedded.errors import EmbeddedError
from windlass.embedded.layout import Layout
from windlass.embedded.local_servers import LocalServers

FIRST_USER_WITHIN = 2.0  # s; whoever started us may have been killed since. One who is only slow starts another

log = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    layout = Layout.create(Path(arguments[0]))
    lock = int(arguments[1]) if len(arguments) > 1 else control.take_lock(layout)
    if lock is None:
        print(f"a supervisor of {layout.home} already runs", file=sys.stderr)
        return 1
    # The one fork in Windlass: this process is a fresh interpreter with one thread. Its parent ends at once, so that
    # no user has us as a child to reap, and none of ours are children of a user.
    if os.fork() != 0:
        return 0
    _shed_inheritance()
    _log_to(layout.supervisor_log)
    try:
        listener = control.listen(layout.run)
    except OSError as error:
        log.error("no unix socket in %s (%s): choose a data directory on a local file system", layout.run, error)
        return 1
    asyncio.run(Supervisor(layout, LocalServers(layout)).run(listener))
    return 0


def _shed_inheritance() -> None:
    """Signal mask and umask are those of whatever thread started us; the servers would inherit them from here."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o077)


def _log_to(path: Path) -> None:
    handler = RotatingFileHandler(path, maxBytes=1024 * 1024, backupCount=1)
    logging.basicConfig(
        handlers=[handler], level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )


class Supervisor:
    def __init__(self, layout: Layout, servers: LocalServers) -> None:
        self._layout = layout
        self._servers = servers
        self._users: set[asyncio.StreamWriter] = set()
        self._openings: set[asyncio.Task[Answer]] = set()
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._asked_to_stop = 0
        self._ending = False

    async def run(self, listener: socket.socket) -> None:
        """Serves until the last user is gone."""
        for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(stop, self._on_stop, stop)
        log.info("serving %s", self._layout.home)
        # Not start_unix_server: from Python 3.13 on it wants to remove the socket by a name that we no longer have.
        server = await asyncio.start_server(self._serve_user, sock=listener)
        try:
            await self._until_unused()
        finally:
            # First of all: who comes now must find nobody, and start the next supervisor when our lock is free.
            self._ending = True
            server.close()
            (self._layout.run / control.NAME).unlink(missing_ok=True)
            log.info("no more users; stopping the servers")
            for opening in self._openings:
                opening.cancel()
            await asyncio.gather(*self._openings, return_exceptions=True)
            await self._servers.close()
            self._stopped.set()
            log.info("stopped")

    def _on_stop(self, which: signal.Signals) -> None:
        """The first signal is politely declined while there are users: a service manager signals us and them at once,
        and they need the database to finish what they run. The second one counts."""
        self._asked_to_stop += 1
        log.info("%s, %d users", which.name, len(self._users))
        self._changed.set()

    async def _until_unused(self) -> None:
        try:
            async with asyncio.timeout(FIRST_USER_WITHIN):
                await self._changed.wait()
        except TimeoutError:
            log.warning("nobody came within %g s", FIRST_USER_WITHIN)
        while self._users and self._asked_to_stop < 2:
            self._changed.clear()
            await self._changed.wait()

    async def _serve_user(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._ending:  # it was accepted before the listener was closed; unanswered, it comes again
            writer.close()
            return
        self._users.add(writer)
        self._changed.set()
        try:
            opening = asyncio.create_task(self._answer(await reader.readline()))
            self._openings.add(opening)
            opening.add_done_callback(self._openings.discard)
            gone = asyncio.create_task(reader.read())  # a user says nothing more: this ends when it does
            await asyncio.wait({opening, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                writer.write(control.encode(await opening))
            await gone
        except OSError:
            log.info("a user was cut off")
        finally:
            self._users.discard(writer)
            self._changed.set()
        if not self._users:
            await self._stopped.wait()  # the last one may want to know, see Lease.close
        writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            return await self._servers.open(control.decode_request(line))
        except ValueError:
            return Answer(error=f"another version of Windlass runs the servers of {self._layout.home}: end it first")
        except EmbeddedError as error:
            log.error("%s", error)  # the message is whole; a stack would add nothing
            return Answer(error=str(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
