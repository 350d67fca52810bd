"""Trust, and the day on which a certificate ends."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from windlass import Rejected

from windlass_checks.durations import said


@lru_cache(maxsize=64)
def context(ca: str, *, verify: bool, protocol: str = "") -> ssl.SSLContext:
    """What a connection trusts: `ca` as PEM, else the system's authorities.  Read once: the system's take 20 ms.

    `protocol` is what is asked for by ALPN; a server may hang up on one it does not speak.

    Raises `Rejected` for a PEM that is none.
    """
    try:
        made = ssl.create_default_context(cadata=ca or None)
    except ssl.SSLError as error:
        raise Rejected(f"ca: this is no certificate in PEM form ({error.reason})") from None
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if protocol:
        made.set_alpn_protocols([protocol])
    return made


def ends_at(tls: ssl.SSLObject | ssl.SSLSocket | None) -> datetime | None:
    """When the peer's certificate ends; None without one that can be read.

    Python tells of a certificate only what it has verified, so it is read from its bytes.
    """
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if not der:
        return None
    try:
        return x509.load_der_x509_certificate(der).not_valid_after_utc
    except ValueError:
        return None


def about_end(end: datetime, now: datetime) -> str:
    """ "certificate ends in 12 days", "certificate ended 3 h ago (2026-11-19)"."""
    left = (end - now).total_seconds()
    if left < 0:
        return f"certificate ended {said(-left)} ago ({end:%Y-%m-%d})"
    days = int(left // 86_400)
    when = f"{days} day{'s' * (days != 1)}" if days else said(left)
    return f"certificate ends in {when}"


def warning(end: datetime, now: datetime, days: int) -> str:
    """What to say ahead of the end; empty when it is further away than so many days."""
    if (end - now).total_seconds() >= days * 86_400:
        return ""
    return f"{about_end(end, now)}: renew it ({end:%Y-%m-%d %H:%M} UTC)"


def utc_now() -> datetime:
    return datetime.now(UTC)
