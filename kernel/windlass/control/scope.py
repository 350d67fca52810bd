"""What a caller's scope leaves of a request: work of other pools does not exist for it."""

from __future__ import annotations

from windlass.control.guard import caller
from windlass.core.access import reaches
from windlass.errors import PoolOutOfScope


def pools() -> frozenset[str]:
    """The pools that the caller may see, for the `pools` argument of reads; empty for all."""
    return caller.get().pools


def check_pool(pool: str) -> None:
    """Raises `PoolOutOfScope` when the caller may not touch this pool."""
    mine = caller.get().pools
    if not reaches(mine, pool):
        yours = ", ".join(sorted(mine))
        raise PoolOutOfScope(f"pool {pool!r} is not one that your token is good for: {yours}", pool=pool, pools=yours)
