"""What the buffer's tests share: a main database with a replica, and a site that is drained into it."""

from collections.abc import Iterator

import pytest
import redis

from tests.plugins.buffer.drains import field
from tests.plugins.buffer.replicas import cluster, pair, shared_cluster

__all__ = ["cluster", "connection", "field", "pair", "shared_cluster"]


@pytest.fixture
def connection(valkey_url: str) -> Iterator[redis.Redis]:
    """Others use this server too: keep to a site of your own."""
    with redis.Redis.from_url(valkey_url) as made:
        yield made
