"""What a caller's scope leaves of a request: work of other pools does not exist for it.

Lists and reads take `pools()` and leave the rest to SQL.  What acts on one task, or follows it, looks here first: a
task never changes its pool, so whoever has found it in a scoped read may go on by its id, and no effect is too early.
"""

from __future__ import annotations

from collections.abc import Iterable

from windlass.control.guard import caller
from windlass.core.access import reaches
from windlass.errors import PoolOutOfScope, TaskNotFound
from windlass.store.port import Library, Scope


def pools() -> Scope:
    """The pools that the caller may see, for the `pools` argument of reads; empty for all."""
    return caller.get().pools


def holds(pool: str) -> bool:
    """Whether the caller may see this pool."""
    return reaches(caller.get().pools, pool)


def check_pool(pool: str) -> None:
    """Raises `PoolOutOfScope` when the caller may not touch this pool."""
    if not holds(pool):
        raise PoolOutOfScope.of(pool, caller.get().pools)


async def check_task(library: Library, task: int) -> None:
    """Raises `TaskNotFound` when the task does not exist for the caller.  Costs nothing when all pools are its own."""
    mine = caller.get().pools
    if mine and await library.task(task, mine) is None:
        raise TaskNotFound(f"there is no task {task}", task=task)


async def check_tasks(library: Library, tasks: Iterable[int]) -> None:
    """The same for several, such as those that a new task waits for."""
    for task in tasks:
        await check_task(library, task)
