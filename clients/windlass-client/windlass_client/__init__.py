"""The typed Python client of Windlass.

    async with Client.connect() as client:
        handle = await client.enqueue("ExecuteScript", {"script": "echo hello"})
        async for event in handle.watch():
            print(event)

`SyncClient` is the same for code without an event loop.  Errors are WindlassErrors; values are frozen dataclasses.
"""

from windlass_client.client import Client, Handle
from windlass_client.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    TaskCanceled,
    TaskEnded,
    TaskFailed,
    Unauthenticated,
    Unavailable,
    WindlassError,
)
from windlass_client.events import (
    Event,
    OutputWritten,
    ProgressMade,
    StageEntered,
    StateChanged,
    StepWritten,
    Stream,
)
from windlass_client.resources import (
    Attempt,
    Card,
    CardState,
    Gate,
    GateKind,
    Joined,
    NewTask,
    Origin,
    Outcome,
    Page,
    Progress,
    Receipt,
    ReceiptStatus,
    State,
    Step,
    StepType,
    Task,
)
from windlass_client.sync import SyncClient, SyncHandle

__all__ = [
    "AlreadyExists",
    "Attempt",
    "Card",
    "CardState",
    "Client",
    "DeadlineExceeded",
    "Event",
    "FailedPrecondition",
    "Gate",
    "GateKind",
    "Handle",
    "InvalidArgument",
    "Joined",
    "NewTask",
    "NotFound",
    "Origin",
    "Outcome",
    "OutputWritten",
    "Page",
    "PermissionDenied",
    "Progress",
    "ProgressMade",
    "Receipt",
    "ReceiptStatus",
    "ResourceExhausted",
    "StageEntered",
    "State",
    "StateChanged",
    "Step",
    "StepType",
    "StepWritten",
    "Stream",
    "SyncClient",
    "SyncHandle",
    "Task",
    "TaskCanceled",
    "TaskEnded",
    "TaskFailed",
    "Unauthenticated",
    "Unavailable",
    "WindlassError",
]
