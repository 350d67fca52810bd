"""What the buffer's tests share: a main database of their own, with a replica."""

from tests.plugins.buffer.replicas import cluster, pair, shared_cluster

__all__ = ["cluster", "pair", "shared_cluster"]
