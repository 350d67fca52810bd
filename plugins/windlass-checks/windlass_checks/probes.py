"""What may be looked at: one struct for each sort, told apart by `type`.  Times are seconds.

`own` names the fields that only the operator may set, in the configuration: they read files of the node, or run what a
stranger should not have run with the node's place in the network.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from windlass import check_secret_name

Port = Annotated[int, Meta(ge=1, le=65_535)]
Host = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=1_000)]
Pem = Annotated[str, Meta(max_length=65_536)]
Status = Annotated[int, Meta(ge=100, le=599)]
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HOST = re.compile(r"[\w.:%-]+")
DNS_NAME = re.compile(r"\.|(?:[\w*-]{1,63}\.)*[\w*-]{1,63}\.?")
HOPS = {"host", "content-length", "transfer-encoding", "connection", "upgrade"}


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    timeout: Annotated[float, Meta(gt=0, le=120)] = 10.0
    """For the whole look, from the name's resolution to the last byte."""

    own: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str] = ""
    """What to look at when it is down."""

    @property
    def target(self) -> str:
        """What people call it."""
        raise NotImplementedError


class Http(Probe, frozen=True, kw_only=True, tag="http"):
    """A page over HTTP or HTTPS.  Without `status`, 200 to 299 are expected."""

    url: Annotated[str, Meta(min_length=1, max_length=2_000)]
    method: Literal["GET", "HEAD"] = "GET"
    status: list[Status] = []
    headers: dict[str, str] = {}
    body_contains: Text = ""
    body_matches: Text = ""
    """A regular expression, as Python's `re` reads it."""
    body_limit: Annotated[int, Meta(ge=1, le=16 * 1024 * 1024)] = 1024 * 1024
    """Bytes of the body that are read, when it is looked at."""
    redirects: Annotated[int, Meta(ge=0, le=10)] = 0
    """So many are followed."""
    verify: bool = True
    """The certificate must be valid for the host."""
    certificate_days: Annotated[int, Meta(ge=0, le=3_650)] = 14
    """Warn when it ends sooner; 0: never."""
    ca: Pem = ""
    """The authority to trust instead of the system's, as PEM text."""
    ca_file: str = ""

    own = ("ca_file",)
    advice = "open it from the node, then read the service's own log"

    @property
    def target(self) -> str:
        return self.url

    def __post_init__(self) -> None:
        check_url(self.url)
        _check_pattern("body_matches", self.body_matches)
        if self.method == "HEAD" and (self.body_contains or self.body_matches):
            raise ValueError("method: an answer to HEAD has no body to look into; use GET")
        if self.ca and self.ca_file:
            raise ValueError("ca, ca_file: name one of them")
        for name, value in self.headers.items():
            if not HEADER.fullmatch(name) or not value.isprintable() or not value.isascii():
                raise ValueError(f"headers: {name!r} or its value is no HTTP header; use printable ASCII")
            if name.lower() in HOPS:
                raise ValueError(f"headers: {name} follows from the URL and can't be set")


class Tcp(Probe, frozen=True, kw_only=True, tag="tcp"):
    """A port that takes connections; with an expectation, one that says something by itself."""

    host: Host
    port: Port
    banner_contains: Text = ""
    banner_matches: Text = ""

    advice = "is the service running and listening there, and does a firewall stand between?"

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    def __post_init__(self) -> None:
        _check_host(self.host)
        _check_pattern("banner_matches", self.banner_matches)


class Dns(Probe, frozen=True, kw_only=True, tag="dns"):
    """A name's records.  Without a `server`, the node's own are asked."""

    name: Host
    record: Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"] = "A"
    expected: list[Text] = []
    """Values that must be among the answers."""
    exact: bool = False
    """There must be no others."""
    server: str = ""
    port: Port = 53

    advice = "ask the zone's own name servers, then the resolver in between"

    @property
    def target(self) -> str:
        return f"{self.record} {self.name}" + (f" at {self.server}" if self.server else "")

    def __post_init__(self) -> None:
        if self.exact and not self.expected:
            raise ValueError("exact: name the values that are expected")
        if self.server:
            _check_host(self.server, "server")
        if not DNS_NAME.fullmatch(self.name):
            raise ValueError(f"name: {self.name!r} is no name in the DNS")


class Ping(Probe, frozen=True, kw_only=True, tag="ping"):
    host: Host
    count: Annotated[int, Meta(ge=1, le=20)] = 3
    most_loss: Annotated[float, Meta(ge=0, lt=100)] = 50.0
    """Percent of the packets that may stay without an answer."""

    advice = "is the host running, and are pings let through?"

    @property
    def target(self) -> str:
        return self.host

    def __post_init__(self) -> None:
        _check_host(self.host)


class Disk(Probe, frozen=True, kw_only=True, tag="disk"):
    """Room on the file system of a path, on the node that looks."""

    path: Annotated[str, Meta(min_length=1, max_length=1_000)]
    least_free_percent: Annotated[float, Meta(ge=0, le=100)] = 10.0
    least_free_bytes: Annotated[int, Meta(ge=0)] = 0

    advice = "see what grew (du -x), and what is deleted and still open (lsof +L1)"

    @property
    def target(self) -> str:
        return self.path

    def __post_init__(self) -> None:
        if not PurePosixPath(self.path).is_absolute() or "\0" in self.path:
            raise ValueError(f"path: {self.path!r} must be absolute")


class Process(Probe, frozen=True, kw_only=True, tag="process"):
    """Processes on the node that looks, by their name or by the file that has their number."""

    name: Annotated[str, Meta(max_length=255)] = ""
    pid_file: str = ""
    least: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    most: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None

    own = ("pid_file",)
    advice = "see why it ended: its log, or systemctl status"

    @property
    def target(self) -> str:
        return self.name or self.pid_file

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.pid_file):
            raise ValueError("name, pid_file: name exactly one of them")
        if self.most is not None and self.most < self.least:
            raise ValueError(f"most: {self.most} is less than least ({self.least})")
        if self.pid_file and not PurePosixPath(self.pid_file).is_absolute():
            raise ValueError(f"pid_file: {self.pid_file!r} must be absolute")


class Postgres(Probe, frozen=True, kw_only=True, tag="postgresql"):
    """A PostgreSQL server that answers a query.  The DSN comes from a secret, or host, database and user are named."""

    host: str = ""
    port: Port = 5432
    database: Annotated[str, Meta(max_length=63)] = "postgres"
    user: Annotated[str, Meta(max_length=63)] = "postgres"
    dsn_secret: str = ""
    query: Annotated[str, Meta(min_length=1, max_length=4_000)] = "SELECT 1"
    expected: Text | None = None
    """The first value of its first row, as text."""
    most_lag: Annotated[float, Meta(ge=0)] | None = None
    """For a standby: seconds that it may be behind."""

    own = ("dsn_secret", "query", "expected")
    advice = "read the server's log; see pg_stat_activity, and whether it still takes connections"

    @property
    def target(self) -> str:
        return f"secret {self.dsn_secret}" if self.dsn_secret else f"{self.host}:{self.port}/{self.database}"

    def __post_init__(self) -> None:
        if self.dsn_secret:
            check_secret_name("dsn_secret", self.dsn_secret)
        if bool(self.host) == bool(self.dsn_secret):
            raise ValueError("host, dsn_secret: name exactly one of them")
        if self.host:
            _check_host(self.host, socket=True)
        if "\0" in self.query + self.database + self.user:
            raise ValueError("query, database, user: no NUL characters")


class Redis(Probe, frozen=True, kw_only=True, tag="redis"):
    """A Redis or Valkey server that answers PING."""

    host: Host
    port: Port = 6379
    tls: bool = False
    ca: Pem = ""
    """With `tls`, the authority to trust instead of the system's, as PEM text."""
    user: Text = ""
    password_secret: str = ""
    role: Literal["", "master", "replica"] = ""
    """What it must be."""
    most_lag: Annotated[float, Meta(ge=0)] | None = None
    """For a replica: seconds since it last heard of its master."""

    own = ("password_secret",)
    advice = "see INFO and its log: memory, clients, persistence"

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    def __post_init__(self) -> None:
        if self.password_secret:
            check_secret_name("password_secret", self.password_secret)
        _check_host(self.host, socket=True)


AnyProbe = Http | Tcp | Dns | Ping | Disk | Process | Postgres | Redis


def check_url(url: str) -> None:
    """ValueError when it is none that may be looked at."""
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError as error:
        raise ValueError(f"url: {url!r} is no URL: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.hostname:
        raise ValueError(f'url: {url!r} must begin with "http://" or "https://" and name a host')
    if "@" in parsed.netloc:
        raise ValueError("url: a user and a password don't belong into it; use headers")
    if port == 0 or not url.isprintable() or " " in url:
        raise ValueError(f"url: {url!r} is no URL: port 0, or characters that must be written as %20 and the like")


def _check_host(host: str, field: str = "host", *, socket: bool = False) -> None:
    if socket and host.startswith("/"):  # a folder or file of a Unix socket
        return
    try:
        ip_address(host)
    except ValueError:
        if not HOST.fullmatch(host) or ":" in host:
            raise ValueError(f"{field}: {host!r} is neither the name of a host nor an address") from None


def _check_pattern(field: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{field}: {pattern!r} is no regular expression: {error}") from None
