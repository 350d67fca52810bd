"""What plugin authors import, and nothing else.

    import msgspec
    from windlass import Context, Handler, Outcome, Success, hookimpl

Everything not named here is the kernel's own and may change without notice.
"""

from windlass.core.deadlines import Deadlines
from windlass.core.interrupts import Graces, Rung
from windlass.core.retry import RetryPolicy
from windlass.executor import Attempt, Executor, PayloadMisfit
from windlass.handler import (
    BlockingContext,
    Context,
    Failed,
    Handler,
    Interrupted,
    Outcome,
    Rejected,
    Retry,
    Success,
    TaskInfo,
)
from windlass.hookspecs import hookimpl
from windlass.settings import Section, Settings

__all__ = [
    "Attempt",
    "BlockingContext",
    "Context",
    "Deadlines",
    "Executor",
    "Failed",
    "Graces",
    "Handler",
    "Interrupted",
    "Outcome",
    "PayloadMisfit",
    "Rejected",
    "Retry",
    "RetryPolicy",
    "Rung",
    "Section",
    "Settings",
    "Success",
    "TaskInfo",
    "hookimpl",
]
