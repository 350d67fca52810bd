"""What plugin authors import, and nothing else.

    import msgspec
    from windlass import Context, Handler, Outcome, Success, hookimpl

Everything not named here is the kernel's own and may change without notice.
"""

from windlass.core.interrupts import Graces
from windlass.core.residents import Resident
from windlass.core.retry import RetryPolicy
from windlass.core.schedules import CatchUp, Overlap, Schedule
from windlass.handler import (
    Concurrency,
    Context,
    Failed,
    Handler,
    Lane,
    Outcome,
    Rejected,
    Retry,
    Success,
    TaskInfo,
    Twin,
)
from windlass.hookspecs import hookimpl
from windlass.settings import Section, Settings

__all__ = [
    "CatchUp",
    "Concurrency",
    "Context",
    "Failed",
    "Graces",
    "Handler",
    "Lane",
    "Outcome",
    "Overlap",
    "Rejected",
    "Resident",
    "Retry",
    "RetryPolicy",
    "Schedule",
    "Section",
    "Settings",
    "Success",
    "TaskInfo",
    "Twin",
    "hookimpl",
]
