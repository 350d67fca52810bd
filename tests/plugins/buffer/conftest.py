"""What the buffer's tests share: a main database of their own, with a replica, and a site that is drained into it."""

from tests.plugins.buffer.drains import field
from tests.plugins.buffer.replicas import cluster, pair, shared_cluster

__all__ = ["cluster", "field", "pair", "shared_cluster"]
