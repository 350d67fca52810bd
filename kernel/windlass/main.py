"""The composition root: the only place that names concrete parts and puts them together."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from windlass import embedded, failpoints, telemetry
from windlass.config import Config, ConsoleConfig, LogConfig, ServerConfig
from windlass.control.server import Server, check_listen
from windlass.control.status import open_streams
from windlass.control.token_file import owner, write_token
from windlass.core.access import Role
from windlass.errors import BootError
from windlass.host.access import Access
from windlass.host.admission import Caller
from windlass.host.console import Console
from windlass.host.ending import first, leave_behind, stop_on_signals
from windlass.host.grants import Grant, new_token
from windlass.host.kernel import Kernel
from windlass.host.observer import Observer
from windlass.host.plugins import Plugins, load_plugins
from windlass.host.process import tell_supervisor, this_process
from windlass.store.facts import Note
from windlass.store.port import Store
from windlass.store.postgres import open_store
from windlass.telemetry.logs import set_up_logging

if TYPE_CHECKING:
    from windlass.telemetry.pushing import Push

log = structlog.get_logger()

CALLS_GRACE = 2.0
LOCAL = "local"
SERVERS_CHECK = 1.0


async def serve(
    config: Config, on_ready: Callable[[str, str], None], read_again: Callable[[], Config] | None = None
) -> None:
    """Run one kernel process until SIGTERM or SIGINT; a second signal ends it at once.

    `on_ready` is told where gRPC is, and where the console is ("": nowhere).  `read_again` gives the configuration as
    its file has it by then: asked at SIGHUP, or by an operator.
    A node that is worn out by abandoned handlers drains, and the process replaces itself.
    Raises `BootError` or `StoreUnavailable` when it can't start.
    """
    stop, hang_up = stop_on_signals(), _hear_hang_ups()
    leaks = await _serve(config, on_ready, stop, partial(_rereading, config, read_again, hang_up))
    if leaks and not stop.is_set():
        log.warning("starting anew, without the handlers that were abandoned", leaks=leaks)
        # Until the new process hears it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    await leave_behind()


async def _serve(
    config: Config,
    on_ready: Callable[[str, str], None],
    stop: asyncio.Event,
    rereading: Callable[[Kernel], AbstractAsyncContextManager[None]],
) -> int:
    """Until a signal, or until the node is worn out; how many abandoned handlers still run."""
    check_listen(config.server.listen, config.server)
    plugins = load_plugins(config.plugins)
    failpoints.refuse_unknown()
    home = Path(config.home)
    _make_home(home)
    token = write_token(home / "token")
    async with (
        _database(config) as dsn,
        _telling(config) as push,
        _store(config, dsn) as store,
        _kernel(config, store, plugins) as kernel,
        _observed(config, kernel, store, push) as probes,
        _console(config.console) as console,
    ):
        server = Server(kernel, token, config.server)
        address = await _listen(server, config.server)
        calm_collector()
        facts: dict[str, str | bool] = {"probes": probes, "console": console.url, "tls": bool(config.server.tls_cert)}
        with _announced(home, address, facts):
            console.start(address, str(home / "token"))
            on_ready(address, console.url)
            tell_supervisor("READY=1")
            async with rereading(kernel):
                await first(stop, kernel.node.worn_out)
            log.info("stopping")
            tell_supervisor("STOPPING=1")
            await asyncio.gather(kernel.drain(), console.stop())
            await server.stop(CALLS_GRACE)
    return kernel.node.leaks


async def make_token(config: Config, grant: Grant) -> tuple[int, str]:
    """A token made in the database itself, without a server: its id and its secret.  The audit log says `local`.

    Whoever may open the database may do this.  Raises `BootError`, `StoreUnavailable` or `InvalidArgument`.
    """
    wanted = new_token(grant, Caller(name=LOCAL, origin=1, role=Role.ADMIN, credential=LOCAL))
    _make_home(Path(config.home))
    async with _database(config) as dsn:
        store = await open_store(dsn, connections=2, pooler=config.store.pooler)
        try:
            asked = json.dumps({"subject": wanted.subject, "role": wanted.role.name.lower(), "by": owner()})
            note = Note(LOCAL, LOCAL, Role.ADMIN, "windlass.v1.Access/CreateToken", "", request=asked)
            made, secret = await Access(store.tokens).create(wanted, note)
        finally:
            await store.close()
    return made.id, secret


def examine(config: Config) -> Mapping[str, str]:
    """What a start would refuse is raised, nothing is started; why each plugin that can't be imported can't be."""
    check_listen(config.server.listen, config.server)
    set_up_logging(LogConfig(level="critical"))
    return load_plugins(config.plugins).quarantined


@asynccontextmanager
async def _rereading(
    config: Config, read_again: Callable[[], Config] | None, hang_up: asyncio.Event, kernel: Kernel
) -> AsyncIterator[None]:
    """The configuration is read again at each SIGHUP, also at one that came while the kernel was starting."""
    if read_again is None:
        yield
        return
    reloader = kernel.rereads(config, read_again, set_up_logging)

    async def listen() -> None:
        while True:
            await hang_up.wait()
            hang_up.clear()
            await reloader.reload_by_signal()

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()


@asynccontextmanager
async def _store(config: Config, dsn: str) -> AsyncIterator[Store]:
    chosen = config.store
    store = await open_store(dsn, connections=chosen.connections, pooler=chosen.pooler, listen_dsn=chosen.listen_dsn)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _kernel(config: Config, store: Store, plugins: Plugins) -> AsyncIterator[Kernel]:
    kernel = Kernel(store, plugins, config.node, retention=config.retention, health=config.health)
    await kernel.start()
    try:
        yield kernel
    finally:
        await kernel.stop()


@asynccontextmanager
async def _telling(config: Config) -> AsyncIterator[Push | None]:
    """Traces, and what sends metrics, as the OTEL_* variables ask for them."""
    push = telemetry.start(os.environ, this_process(()).name, measure=bool(config.server.probes))
    try:
        yield push
    finally:
        await asyncio.to_thread(telemetry.stop)


@asynccontextmanager
async def _observed(config: Config, kernel: Kernel, store: Store, push: Push | None) -> AsyncIterator[str]:
    """The probes' address, when there are any; they answer until the end of the drain."""
    if telemetry.meters is None:
        yield ""
        return
    observer = Observer(kernel, store, open_streams.total)
    observer.start()
    pushing = None if push is None else asyncio.create_task(push.run(observer.families))
    try:
        async with _probed(config, observer) as address:
            yield address
    finally:
        if push is not None and pushing is not None:
            pushing.cancel()
            await push.close(observer.families)
        await observer.stop()


@asynccontextmanager
async def _probed(config: Config, observer: Observer) -> AsyncIterator[str]:
    if not config.server.probes:
        yield ""
        return
    # Not imported where nobody probes.
    from windlass.control.probes import Probes

    probes = Probes(observer)
    address = await probes.start(config.server.probes)
    try:
        yield address
    finally:
        await probes.stop()


@asynccontextmanager
async def _database(config: Config) -> AsyncIterator[str]:
    if config.store.dsn:
        yield config.store.dsn
        return
    servers = _Servers(config)
    await servers.start()
    watching = asyncio.create_task(servers.watch())
    try:
        yield servers.dsn
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await servers.stop()


class _Servers:
    """This process's share in the embedded servers; they are started again should their supervisor die."""

    def __init__(self, config: Config) -> None:
        self._start = partial(embedded.start, Path(config.home), valkey=config.embedded.valkey)
        self._lease: embedded.Lease | None = None
        self.dsn = ""

    async def start(self) -> None:
        self._lease = await asyncio.to_thread(self._start)
        self.dsn = self._lease.servers.postgres

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(SERVERS_CHECK)
            if self._lease is not None and self._lease.lost():
                log.error("the embedded servers are gone, starting them again")
                try:
                    await self.start()
                except embedded.EmbeddedError as error:
                    log.error("the embedded servers do not start", error=str(error))

    async def stop(self) -> None:
        if self._lease is not None:
            await asyncio.to_thread(self._lease.close)


async def _listen(server: Server, config: ServerConfig) -> str:
    try:
        return await server.start(config.listen)
    except BootError:
        if config.listen != ServerConfig().listen:
            raise
        # Nobody chose this port, so another one is as good; the command line finds it.
        log.warning("the usual port is taken, listening on a free one", usual=config.listen)
        return await server.start("127.0.0.1:0")


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "run").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise BootError(
            f"can't make the home directory {home}: {error.strerror}; choose another with --home"
        ) from error


@asynccontextmanager
async def _console(config: ConsoleConfig) -> AsyncIterator[Console]:
    console = Console(config)
    console.bind()
    try:
        yield console
    finally:
        await console.stop()


class _announced:  # noqa: N801 - read as a verb
    """`run/server-<pid>.json`: where the command line finds this server."""

    def __init__(self, home: Path, address: str, more: Mapping[str, str | bool]) -> None:
        self._file = home / "run" / f"server-{os.getpid()}.json"
        started = datetime.now(UTC).isoformat()
        facts = {"address": address, "token_file": str(home / "token"), "pid": os.getpid(), "started": started}
        self._text = json.dumps(facts | {name: fact for name, fact in more.items() if fact})

    def __enter__(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(self._text)
        fresh.replace(self._file)

    def __exit__(self, *_: object) -> None:
        self._file.unlink(missing_ok=True)


def _hear_hang_ups() -> asyncio.Event:
    """Set at each SIGHUP, which would otherwise end the process."""
    heard = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard.set)
    return heard


def calm_collector() -> None:
    """Let the garbage collector look less often: a node at full speed makes objects by the million, and few cycles."""
    gc.collect()
    # What the boot made stays: it need not be looked at again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
