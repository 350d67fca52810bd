"""`[plugins.buffer]` in windlass.toml, and the numbers that the environment may set under the same names.

What connects (a DSN, a URL) may hold a password, so it is never part of a text that is shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from psycopg.conninfo import conninfo_to_dict
from windlass import check_secret_name, read_secret

from windlass_buffer.parameters import StatementSettings

Name = Annotated[str, Meta(max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Seconds = Annotated[float, Meta(ge=0.01, le=86_400.0)]


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A PostgreSQL server: its `dsn`, or `dsn_secret`, the name of a file below `secrets_directory` that holds it."""

    dsn: str = ""
    dsn_secret: str = ""

    def __post_init__(self) -> None:
        _check_one("dsn", self.dsn, self.dsn_secret)
        if self.dsn:
            check_dsn("dsn", self.dsn)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self, 'name', '')!r})"

    def open_dsn(self, secrets_directory: str) -> str:
        """The DSN.  Blocks; raises `Rejected` when its secret can't be read, and ValueError when that is no DSN."""
        if not self.dsn_secret:
            return self.dsn
        dsn = read_secret(secrets_directory, self.dsn_secret, "dsn_secret").decode(errors="replace").rstrip("\r\n")
        check_dsn("dsn_secret", dsn)
        return dsn


class Replica(Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[plugins.buffer.site.replica]]` that readers are sent to."""

    name: Name


class Site(Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[plugins.buffer.site]]`: a list in Redis, and the main database into which it is drained."""

    name: Name
    redis: str = ""
    """A URL: redis://…, rediss://… or unix://…"""
    redis_secret: str = ""
    """Instead of `redis`: the name of the file that holds the URL."""
    redis_safety: Literal["warn", "refuse", "off"] = "warn"
    """What to do when Redis would lose what it was given: no persistence, or an eviction policy that takes it away."""
    replica: list[Replica] = []
    quorum: Annotated[int, Meta(ge=0)] = 0
    """Of how many replicas it is asked that they have a transaction; 0: of all."""
    statement: list[StatementSettings] = []
    allow_raw_sql: bool = False
    """Whether entries may bring SQL of their own: everything that this DSN's user may do."""
    batch: Annotated[int, Meta(ge=1, le=1_000)] = 200
    """Transactions of one commit, at most.  1: each has its own."""
    largest_entry: Annotated[int, Meta(ge=1_024, le=16 * 1024 * 1024)] = 256 * 1024
    """Bytes."""
    statement_timeout: Seconds = 30.0
    """A statement that takes longer is ended; that is a failed attempt of its entry."""
    keep_ids: Annotated[float, Meta(ge=1.0, le=366.0)] = 7.0
    """Days for which it is remembered which transactions were applied."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_one("redis", self.redis, self.redis_secret)
        if self.redis:
            check_redis("redis", self.redis)
        if self.quorum > len(self.replica):
            raise ValueError(f"quorum: {self.quorum} of {len(self.replica)} replicas can't be; name more, or ask fewer")
        _check_unique("replica", [replica.name for replica in self.replica])
        _check_unique("statement", [statement.name for statement in self.statement])

    def open_redis(self, secrets_directory: str) -> str:
        """The URL.  Blocks; raises `Rejected` when its secret can't be read, and ValueError when that is no URL."""
        if not self.redis_secret:
            return self.redis
        url = read_secret(secrets_directory, self.redis_secret, "redis_secret").decode(errors="replace").rstrip("\r\n")
        check_redis("redis_secret", url)
        return url


class BufferSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The names in capitals may be set in the environment too, which wins.  Times are seconds."""

    site: list[Site] = []
    secrets_directory: str = ""
    """Holds the files that `dsn_secret` and `redis_secret` name, readable for their owner only."""

    interval: Annotated[float, Meta(gt=0.0, le=3_600.0)] = msgspec.field(
        default=1.0, name="BACKGROUND_PROCESSING_INTERVAL"
    )
    """How long one wait for work takes at most; ten of them, and no less than 10 s, pass before a database that is
    away is looked at again."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = msgspec.field(default=3, name="TRANSACTION_RETRY_ATTEMPTS")
    retry_delay: Annotated[float, Meta(ge=0.0, le=3_600.0)] = msgspec.field(default=5.0, name="TRANSACTION_RETRY_DELAY")
    lsn_tracking: bool = msgspec.field(default=True, name="LSN_TRACKING_ENABLED")
    lsn_interval: Annotated[float, Meta(gt=0.0, le=3_600.0)] = msgspec.field(default=0.1, name="LSN_CHECK_INTERVAL")
    lsn_timeout: Annotated[float, Meta(gt=0.0, le=86_400.0)] = msgspec.field(default=30.0, name="LSN_TIMEOUT")
    buffer_size: Annotated[int, Meta(ge=1, le=10_000_000)] = msgspec.field(
        default=1_000, name="TRANSACTION_BUFFER_SIZE"
    )
    """Entries that may wait; a producer is refused beyond that."""

    def __post_init__(self) -> None:
        _take(self, os.environ)
        _check_unique("site", [site.name for site in self.site])
        secrets = [place for site in self.site for place in (site, *site.replica) if place.dsn_secret]
        if (secrets or any(site.redis_secret for site in self.site)) and not self.secrets_directory:
            raise ValueError("secrets_directory: name the directory that holds the secrets which the sites name")

    @property
    def wait(self) -> int:
        """Whole seconds that one wait on the list takes at most."""
        return max(int(self.interval), 1)

    @property
    def outage_pause(self) -> float:
        """Seconds until a database that is away is looked at again."""
        return max(self.interval * 10, 10.0)

    def of(self, name: str) -> Site | None:
        return next((site for site in self.site if site.name == name), None)


def check_dsn(field: str, dsn: str) -> None:
    """ValueError, without a word of the DSN."""
    try:
        conninfo_to_dict(dsn)
    except Exception:  # noqa: BLE001 - its words hold the DSN, and so may what it was raised from
        wrong = True
    else:
        wrong = not dsn.strip()
    if wrong:
        raise ValueError(f"{field}: is no DSN that libpq can read; write it like host=db.example dbname=shop user=shop")


def check_redis(field: str, url: str) -> None:
    """ValueError, without a word of the URL."""
    from redis.connection import parse_url  # no site, no redis-py

    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - as above
        raise ValueError(
            f"{field}: is no URL of a Redis; write it like redis://cache.example:6379/0 or unix:///run/valkey.sock"
        ) from None


def _check_one(field: str, value: str, secret: str) -> None:
    if bool(value) == bool(secret):
        raise ValueError(f"{field}, {field}_secret: give exactly one of them")
    if secret:
        check_secret_name(f"{field}_secret", secret)


def _check_unique(field: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{field}: two are called {name!r}; give each a name of its own")


def _take(settings: BufferSettings, environ: Mapping[str, str]) -> None:
    """What the environment says of a name in capitals, in place of the file's.  Raises ValueError."""
    for field in msgspec.structs.fields(BufferSettings):
        name = field.encode_name
        if not name.isupper():
            continue
        text = environ.get(name, "")
        if text.strip():
            msgspec.structs.force_setattr(settings, field.name, _read(name, text.strip(), field.type))


def _read(name: str, text: str, type_: Any) -> Any:
    try:
        return msgspec.convert(text, type_, strict=False)
    except msgspec.ValidationError as error:
        wrong = re.sub(r"`str`", f"{text!r}", str(error))
    raise ValueError(f"{name} in the environment: {text!r} does not fit: {wrong}; correct it, or unset it")
