"""What plugin authors import, and nothing else.

    import msgspec
    from windlass import Context, Handler, Outcome, Success, hookimpl

Everything not named here is the kernel's own and may change without notice.
"""

from windlass.core.interrupts import Graces
from windlass.core.retry import RetryPolicy
from windlass.failpoints import failpoint
from windlass.handler import Context, Failed, Handler, Outcome, Rejected, Retry, Success, TaskInfo
from windlass.hookspecs import hookimpl
from windlass.settings import Section, Settings

__all__ = [
    "Context",
    "Failed",
    "Graces",
    "Handler",
    "Outcome",
    "Rejected",
    "Retry",
    "RetryPolicy",
    "Section",
    "Settings",
    "Success",
    "TaskInfo",
    "failpoint",
    "hookimpl",
]
