"""What plugin authors import, and nothing else.

    import msgspec
    from windlass import Context, Handler, Outcome, Success, hookimpl

Everything not named here is the kernel's own and may change without notice.
"""

from windlass.core.access import Role
from windlass.core.deadlines import Deadlines
from windlass.core.interrupts import Graces, Rung
from windlass.core.residents import Resident
from windlass.core.retry import RetryPolicy
from windlass.core.schedules import CatchUp, Overlap, Schedule
from windlass.core.sections import HealthGauge, HealthLine, HealthSection
from windlass.documents import BlockingDocuments, Document, Documents
from windlass.door import Door, Enqueued
from windlass.errors import AttemptSuperseded, DocumentChanged, PayloadInvalid, TaskInterrupted
from windlass.executor import Attempt, Executor, PayloadMisfit
from windlass.failpoints import failpoint
from windlass.handler import (
    BlockingContext,
    BlockingLane,
    Concurrency,
    Context,
    Failed,
    Handler,
    Interrupted,
    Lane,
    Outcome,
    Rejected,
    Retry,
    Success,
    TaskInfo,
    Twin,
    Wishes,
)
from windlass.hookspecs import hookimpl
from windlass.operation import Operation, OperationCall
from windlass.secret_files import check_secret_name, read_secret
from windlass.settings import Section, Settings

__all__ = [
    "Attempt",
    "AttemptSuperseded",
    "BlockingContext",
    "BlockingDocuments",
    "BlockingLane",
    "CatchUp",
    "Concurrency",
    "Context",
    "Deadlines",
    "Document",
    "DocumentChanged",
    "Documents",
    "Door",
    "Enqueued",
    "Executor",
    "Failed",
    "Graces",
    "Handler",
    "HealthGauge",
    "HealthLine",
    "HealthSection",
    "Interrupted",
    "Lane",
    "Operation",
    "OperationCall",
    "Outcome",
    "Overlap",
    "PayloadInvalid",
    "PayloadMisfit",
    "Rejected",
    "Resident",
    "Retry",
    "RetryPolicy",
    "Role",
    "Rung",
    "Schedule",
    "Section",
    "Settings",
    "Success",
    "TaskInfo",
    "TaskInterrupted",
    "Twin",
    "Wishes",
    "check_secret_name",
    "failpoint",
    "hookimpl",
    "read_secret",
]
