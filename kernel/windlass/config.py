"""Configuration: windlass.toml, then the environment on top.  Unknown keys are refused with the nearest known name.

`WINDLASS_<SECTION>_<KEY>` sets a key of a kernel section, e.g. WINDLASS_STORE_DSN or WINDLASS_SERVER_LISTEN.
"""

from __future__ import annotations

import difflib
import logging
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from windlass.core.access import ROLE_NAMES
from windlass.core.agents import is_agent_pool
from windlass.core.leases import LeaseTimes
from windlass.core.signals import Thresholds
from windlass.errors import ConfigError

S = TypeVar("S", bound=msgspec.Struct)
LAST_PORT = 65535
USUAL_CONSOLE = "127.0.0.1:7655"
MOST_SLOTS = 100_000
"""Of a pool."""


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dsn: str = ""
    """A libpq DSN.  Empty: Windlass runs its own PostgreSQL in the home directory."""
    connections: int = 10
    pooler: bool | None = None
    """Whether `dsn` leads to a transaction pooler.  None: asked of the server at the start."""
    listen_dsn: str = ""
    """Past the pooler, for LISTEN only.  Empty behind a pooler: work of other nodes is found by looking."""


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files are PEM, and read again when they change (docs/access.md)."""

    listen: str = "127.0.0.1:7654"
    tls_cert: str = ""
    """The server's certificate with its chain; with `tls_key` it makes the port a TLS one."""
    tls_key: str = ""
    tls_client_ca: str = ""
    """Whose certificates callers must show.  Empty: none is asked for."""
    certificates: dict[str, str] = {}
    """The role of a caller without a token, by a name in its certificate: the common name, or an alternative one."""
    reflection: bool = False
    """Developer mode: tools such as grpcurl may ask what there is to be called."""
    probes: str = ""
    """Where `/health`, `/ready` and `/metrics` are, over HTTP without a token; empty: nowhere.  Any address will do."""


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pools: dict[str, int] = msgspec.field(default_factory=lambda: {"default": 40})
    """Worker slots by pool, over all nodes of the database.

    A live change stays until the number here changes.  Without this there are `maintenance` with 1 slot, `bulk` with 4,
    and those that handlers name, with 40.
    """
    lease: float = 30.0
    renew: float = 5.0
    drain_grace: float = 20.0
    """Seconds that running tasks get after SIGTERM before they are handed back."""
    leak_limit: int = 10
    """Handlers that may go on after they were abandoned; with one more the node drains and its process starts anew."""

    @property
    def lease_times(self) -> LeaseTimes:
        return LeaseTimes(lease=self.lease, renew=self.renew)


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In days; `inf` keeps for ever."""

    history: float = 30.0
    """After its end nothing is kept for longer."""
    completed: float | None = None
    failed: float | None = None
    canceled: float | None = None
    kinds: dict[str, float] = {}
    """By kind of task.  The shortest of what applies to a task counts."""
    requests: float = 1.0
    """How long the same request id means the same task."""
    partition: float = 1.0
    """How much goes into one set of partitions, which is dropped as a whole."""


class EmbeddedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    valkey: bool = True


class ConsoleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listen: str = USUAL_CONSOLE
    """Where the web console is, for browsers; empty: nowhere.  Beyond loopback it needs `https`."""
    hosts: list[str] = []
    """Further names under which browsers may reach it."""
    prefix: str = ""
    """The path it lives under behind a proxy, as /windlass."""
    trace_url: str = ""
    """Where a trace is shown, with {trace_id} in it."""
    read_only: bool = False
    https: bool = False
    """Browsers come by https, through a proxy that ends TLS."""


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    level: str = "info"
    json: bool = False


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    home: str
    """Where the data, the sockets and the token live."""
    store: StoreConfig = StoreConfig()
    server: ServerConfig = ServerConfig()
    node: NodeConfig = msgspec.field(default_factory=NodeConfig)
    retention: RetentionConfig = msgspec.field(default_factory=RetentionConfig)
    health: Thresholds = Thresholds()
    embedded: EmbeddedConfig = EmbeddedConfig()
    console: ConsoleConfig = ConsoleConfig()
    log: LogConfig = LogConfig()
    plugins: dict[str, dict[str, Any]] = {}


def load_config(
    file: Path | None = None, *, environ: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None
) -> Config:
    """The configuration of this process.  `overrides` (the command line) win over the environment, that over the file.

    Without `file`, `windlass.toml` in the home directory is read when it is there.  Raises `ConfigError`.
    """
    home = default_home(environ)
    raw = _read(file or home / "windlass.toml", required=file is not None)
    if environ.get("WINDLASS_HOME") or "home" not in raw:
        raw["home"] = str(home)
    for section, key, text in _from_environment(environ):
        _section(raw, section)[key] = text
    for section, values in (overrides or {}).items():
        _section(raw, section).update({k: v for k, v in values.items() if v is not None})
    config = decode_section(raw, Config, "")
    _check(config)
    return config


def default_home(environ: Mapping[str, str]) -> Path:
    """Where this user's server keeps its data: WINDLASS_HOME, or a folder under the XDG state directory."""
    if home := environ.get("WINDLASS_HOME"):
        return Path(home).absolute()
    state = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return Path(state) / "windlass"


def decode_section(raw: Mapping[str, Any], type_: type[S], where: str) -> S:
    """`raw` as `type_`; a key nobody knows, or a value that does not fit, is a `ConfigError` that names it."""
    # Looked for by us: a plugin's type may let unknown keys pass.
    if unknown := _unknown_key(raw, type_, where):
        raise ConfigError(unknown)
    try:
        return msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"configuration: {_dotted(str(error), where)}") from error


def _unknown_key(raw: Mapping[str, Any], type_: Any, where: str) -> str | None:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(type_)}
    for key, value in raw.items():
        path = f"{where}.{key}".lstrip(".")
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(fields))}"
            return f"configuration: unknown key {path!r}; {hint}"
        nested = fields[key]
        if isinstance(value, Mapping) and isinstance(nested, type) and issubclass(nested, msgspec.Struct):
            deeper = _unknown_key(value, nested, path)
            if deeper:
                return deeper
    return None


def _dotted(message: str, where: str) -> str:
    prefix = f"$.{where}." if where else "$."
    return message.replace("`$.", f"`{prefix}").replace("$.", "") if "$." in message else message


def _read(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if required:
            raise ConfigError(f"configuration: there is no file {file}") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"configuration: {file} can't be read: {error}") from error


def _section(raw: dict[str, Any], name: str) -> dict[str, Any]:
    section = raw.setdefault(name, {})
    if not isinstance(section, dict):
        raise ConfigError(f"configuration: {name} must be a table ([{name}]), not {section!r}")
    return section


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for section in ("store", "server", "node", "retention", "health", "embedded", "console", "log"):
        prefix = f"WINDLASS_{section.upper()}_"
        for name, text in environ.items():
            if name.startswith(prefix):
                yield section, name.removeprefix(prefix).lower(), text


def _check(config: Config) -> None:
    try:
        _ = config.node.lease_times
    except ValueError as error:
        raise ConfigError(f"configuration: node: {error}") from error
    if config.store.connections < 2:
        raise ConfigError(f"configuration: store.connections must be at least 2, not {config.store.connections}")
    _check_retention(config.retention)
    if config.log.level.upper() not in logging.getLevelNamesMapping():
        levels = "debug, info, warning or error"
        raise ConfigError(f"configuration: log.level must be {levels}, not {config.log.level!r}")
    _check_health(config.health)
    if config.node.leak_limit < 0:
        raise ConfigError(f"configuration: node.leak_limit must be at least 0, not {config.node.leak_limit}")
    _check_server(config.server)
    _check_console(config.console)
    for pool, slots in config.node.pools.items():
        if is_agent_pool(pool):
            raise ConfigError(f"configuration: node.pools.{pool}: the pool of an agent is served by that agent alone")
        if not 1 <= slots <= MOST_SLOTS:
            raise ConfigError(f"configuration: node.pools.{pool} must be from 1 to {MOST_SLOTS}, not {slots}")


def _check_console(config: ConsoleConfig) -> None:
    host, _, port = config.listen.rpartition(":")
    if config.listen and not (host and port.isascii() and port.isdecimal() and int(port) <= LAST_PORT):
        raise ConfigError(f"configuration: console.listen must be host:port, not {config.listen!r}")
    if config.listen and not config.https and host not in ("127.0.0.1", "[::1]", "localhost"):
        raise ConfigError(
            "configuration: console.listen goes beyond this machine, where tokens would travel readable:"
            " put a proxy with TLS before it and set console.https = true"
        )
    if config.prefix and not config.prefix.startswith("/"):
        raise ConfigError(f"configuration: console.prefix must begin with /, not {config.prefix!r}")


def _check_server(config: ServerConfig) -> None:
    if bool(config.tls_cert) != bool(config.tls_key):
        missing = "tls_key" if config.tls_cert else "tls_cert"
        raise ConfigError(f"configuration: server.{missing} is missing: a certificate and its key come together")
    if config.tls_client_ca and not config.tls_cert:
        raise ConfigError("configuration: server.tls_client_ca needs server.tls_cert and server.tls_key")
    if config.certificates and not config.tls_client_ca:
        raise ConfigError("configuration: server.certificates needs server.tls_client_ca, which says whose they are")
    for name, role in config.certificates.items():
        if role not in ROLE_NAMES:
            known = ", ".join(ROLE_NAMES)
            raise ConfigError(f"configuration: server.certificates.{name} must be one of {known}, not {role!r}")


def _check_health(thresholds: Thresholds) -> None:
    for name in thresholds.__struct_fields__:
        # Written so that nan is refused as well.
        if not (value := getattr(thresholds, name)) > 0:
            raise ConfigError(f"configuration: health.{name} must be more than 0, not {value}")


def _check_retention(config: RetentionConfig) -> None:
    kinds = {f"kinds.{kind}": days for kind, days in config.kinds.items()}
    fields = {name: getattr(config, name) for name in config.__struct_fields__ if name != "kinds"}
    for name, days in (fields | kinds).items():
        # Written so that nan is refused as well.
        if days is not None and not days > 0:
            raise ConfigError(f"configuration: retention.{name} must be more than 0 days, not {days}")
