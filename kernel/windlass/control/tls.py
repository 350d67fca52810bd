"""TLS: the server's certificate, and whose client certificates it takes; files are read again when they change."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc
import structlog

from windlass.config import ServerConfig
from windlass.errors import BootError

log = structlog.get_logger()

Stamp = tuple[tuple[int, int, int], ...]


class Certificates:
    """gRPC asks for each new connection; connections that are there keep what they were opened with."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._files = [cert, key] + ([client_ca] if client_ca else [])
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self._stamp: Stamp | None = None

    @classmethod
    def of(cls, config: ServerConfig) -> Certificates | None:
        """None without TLS."""
        if not config.tls_cert:
            return None
        client_ca = Path(config.tls_client_ca) if config.tls_client_ca else None
        return cls(Path(config.tls_cert), Path(config.tls_key), client_ca)

    def credentials(self) -> grpc.ServerCredentials:
        """Raises `BootError` when the files can't be used."""
        try:
            self._stamp, first = self._look(), self._read()
        except (OSError, ssl.SSLError) as error:
            raise BootError(
                f"TLS can't be set up: {_told(error)}; check server.tls_cert, tls_key, tls_client_ca"
            ) from error
        # With a CA gRPC asks for a certificate and ends the connection of whoever has none; without one it never asks.
        asked = self._client_ca is not None
        return grpc.dynamic_ssl_server_credentials(first, self._changed, asked)  # type: ignore[arg-type]

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC, from a thread of its own.  None: nothing new."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            fresh = self._read()
        except (OSError, ssl.SSLError) as error:
            # In the middle of an exchange of the files, or a mistake: the last ones that fitted go on.
            log.error("the new TLS files can't be used, the old ones go on", error=_told(error))
            return None
        log.info("TLS files changed and are in use now", certificate=str(self._cert))
        return fresh

    def _look(self) -> Stamp:
        found = [file.stat() for file in self._files]
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        # gRPC says little of files that do not fit together; this says it, and before it is too late.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._cert, self._key, password=_no_password)
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
        root = self._client_ca.read_bytes() if self._client_ca is not None else None
        pair = (self._key.read_bytes(), self._cert.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], root)


def _no_password() -> str:
    """A key that wants one must not stop the start with a prompt."""
    return ""


def _told(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
