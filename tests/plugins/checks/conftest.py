"""An authority that the tests make, and certificates of it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import trustme


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@pytest.fixture
def certified(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """A server's side of TLS: its certificate is for `name`, and ends in so many days."""

    def make(name: str = "shop.example", days: float = 30.5) -> ssl.SSLContext:
        now = datetime.now(UTC)
        leaf = authority.issue_cert(name, not_before=now - timedelta(days=100), not_after=now + timedelta(days=days))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        return context

    return make
