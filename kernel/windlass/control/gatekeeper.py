"""Who calls, by what was shown: a token of the store, the server's own token, or a client certificate."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from windlass.control.token_file import owner
from windlass.core.access import Role
from windlass.errors import CertificateUnknown, Unauthenticated
from windlass.host.access import HOW_TO, Access, digest_of, unknown
from windlass.host.admission import Caller

USER, SYSTEM = 1, 2
TOKEN_FILE, CERTIFICATE = "token-file", "certificate"


class Pass(msgspec.Struct, frozen=True):
    """What let a call in.  `digest`: of the token's secret, to look again; None for what is good for ever."""

    caller: Caller
    digest: bytes | None = None


class Gatekeeper:
    """`certificates`: roles by a name in a client's certificate; None when clients show none."""

    def __init__(self, access: Access, own_token: str, certificates: Mapping[str, Role] | None = None) -> None:
        self._access = access
        self._own = hashlib.sha256(own_token.encode()).digest()
        self._owner = Pass(Caller(name=owner(), origin=USER, role=Role.ADMIN, credential=TOKEN_FILE))
        self._certificates = certificates
        self.is_local = True
        """Only this machine can call: then its own token is good, which says no more than that one may read a file."""

    async def look_at(self, metadata: Sequence[tuple[str, str | bytes]]) -> Pass | None:
        """Who sent this metadata; None when its certificate must tell.  Raises `Unauthenticated`."""
        header = next((value for key, value in metadata if key == "authorization"), None)
        if header is None and self._certificates is not None:
            return None
        scheme, _, secret = str(header or "").partition(" ")
        if scheme.lower() != "bearer":
            raise unknown()
        secret = secret.strip()
        if hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), self._own):
            if not self.is_local:
                raise Unauthenticated(
                    f"the server's own token is good where only its machine can call, and this server listens for"
                    f" others: {HOW_TO}"
                )
            return self._owner
        digest = digest_of(secret)
        return Pass(await self._access.verify(digest), digest)

    def look_at_certificate(self, shown: Mapping[str, Sequence[Any]]) -> Pass:
        """Who the certificate of a connection names.  Raises `CertificateUnknown`."""
        names = [
            name.decode("utf-8", "replace")
            for key in ("x509_common_name", "x509_subject_alternative_name")
            for name in shown.get(key, ())
        ]
        for name in names:
            if (role := (self._certificates or {}).get(name)) is not None:
                return Pass(Caller(name=name, origin=SYSTEM, role=role, credential=CERTIFICATE))
        raise CertificateUnknown(
            f"no name in this certificate ({', '.join(names)[:200] or 'it has none'}) has a role in"
            f" [server.certificates]: name one there, or {HOW_TO}"
        )
