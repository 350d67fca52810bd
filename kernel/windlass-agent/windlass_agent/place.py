"""Where the kernel is, and how it is reached: addresses, TLS, the token."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import grpc
import msgspec
from windlass.errors import BootError

DIAL_SECONDS = 5.0
OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # A link that went dead is noticed within 16 s; servers take a ping every 10 s.
    ("grpc.keepalive_time_ms", 11_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # What joined a task may be much more than one message of ours.
    ("grpc.max_receive_message_length", -1),
)


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM.  `ca`: who must have signed the server's certificate; empty: those whom this machine trusts."""

    ca: str = ""
    cert: str = ""
    key: str = ""


class Place(msgspec.Struct, frozen=True):
    """`servers`: one or more, as host:port.  `tls`: None for a plain link, which only this machine's servers get."""

    servers: Sequence[str]
    token: str = ""
    tls: Tls | None = None

    def check(self) -> None:
        """Raises `BootError`."""
        if not self.servers:
            raise BootError("no server is named: say where the kernel is with --server HOST:PORT")
        for server in self.servers:
            host, colon, port = server.rpartition(":")
            if not (host and colon and port.isdecimal()):
                raise BootError(f"--server {server!r} must look like HOST:PORT")
            if self.tls is None and not _is_here(host):
                raise BootError(
                    f"{server} is another machine, and without TLS everyone on the way could read the token: use --tls,"
                    " or --ca FILE when its certificate is of your own making"
                )
        if self.tls is not None and bool(self.tls.cert) != bool(self.tls.key):
            raise BootError("--cert and --key come together")
        if not self.token and not (self.tls is not None and self.tls.cert):
            raise BootError(
                "nothing says who this agent is: name a token's file with --token-file (an admin makes one with"
                " `windlass tokens create ID --role agent`), or a client certificate with --cert and --key"
            )

    def channel(self, server: str) -> grpc.Channel:
        """Raises `BootError` when a file can't be read."""
        if self.tls is None:
            return grpc.insecure_channel(server, options=[*OPTIONS, ("grpc.enable_http_proxy", 0)])
        root, key, chain = (_read(file) for file in (self.tls.ca, self.tls.key, self.tls.cert))
        return grpc.secure_channel(server, grpc.ssl_channel_credentials(root, key, chain), options=OPTIONS)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def shake_hands(self, server: str) -> None:
        """gRPC says little of why TLS fails; this says it.  Raises `BootError`; nobody there is no error."""
        if self.tls is None:
            return
        host, _, port = server.rpartition(":")
        try:
            context = ssl.create_default_context(cafile=self.tls.ca or None)
            context.set_alpn_protocols(["h2"])
            if self.tls.cert:
                context.load_cert_chain(self.tls.cert, self.tls.key, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            raise BootError(f"TLS can't be set up: {error}; check --ca, --cert and --key") from error
        name = host.strip("[]")
        try:
            with (
                socket.create_connection((name, int(port)), DIAL_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=name),
            ):
                pass
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or str(error)
            raise BootError(
                f"TLS with {server} fails: {why}; check --ca and the name in --server, and whether the server has TLS"
            ) from error
        except OSError:
            return


def _is_here(host: str) -> bool:
    name = host.strip("[]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _read(file: str) -> bytes | None:
    try:
        return Path(file).read_bytes() if file else None
    except OSError as error:
        raise BootError(f"can't read {file}: {error.strerror}") from error
