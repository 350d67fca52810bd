"""What a connection needs to be encrypted: certificates, as files in PEM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from windlass_client.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Tls:
    """ca: who must have signed the server's certificate; empty means those whom this machine trusts.

    cert, key: what the caller proves itself with, when the server asks for that.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """InvalidArgument when a file cannot be read."""
        if bool(self.cert) != bool(self.key):
            missing = "key" if self.cert else "certificate"
            raise InvalidArgument(f"a certificate and its key belong together: the {missing} is missing")
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca), private_key=_read(self.key), certificate_chain=_read(self.cert)
        )


def tls_of(wanted: bool, ca: str, cert: str, key: str) -> Tls | None:
    """None when nothing asks for it."""
    return Tls(ca, cert, key) if wanted or ca or cert or key else None


def _read(file: str) -> bytes | None:
    if not file:
        return None
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise InvalidArgument(f"cannot read {file}: {error.strerror}", reason="TLS_FILE_UNREADABLE") from error
