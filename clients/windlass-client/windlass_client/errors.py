"""Every error this library raises on purpose: one base, one class for each status a caller may want to tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from windlass_client.details import Details


class WindlassError(Exception):
    """What went wrong.

    `message` is for people.  `code` is the name of the gRPC status (`NOT_FOUND`), empty when no call was refused.
    `reason` is the stable word to decide by (`TASK_NOT_FOUND`), empty when the server gave none.
    `metadata` holds the ids and numbers that belong to the reason, all of them text.
    `details` say which fields, preconditions or limits are to blame, and when another try may succeed.
    """

    status: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        details: Details = Details(),  # noqa: B008 - it is frozen
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.status if code is None else code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.details = details


class InvalidArgument(WindlassError):
    """The request can never work as it is: an unknown kind, a payload that does not fit, a wrong page token."""

    status = "INVALID_ARGUMENT"


class NotFound(WindlassError):
    status = "NOT_FOUND"


class AlreadyExists(WindlassError):
    """There is one of that name."""

    status = "ALREADY_EXISTS"


class FailedPrecondition(WindlassError):
    """The state of the thing forbids it, for example interrupting a task that has ended."""

    status = "FAILED_PRECONDITION"


class Aborted(WindlassError):
    """Somebody else was faster: the thing is not as it was when the caller read it.  Read it again, and decide."""

    status = "ABORTED"


class Unimplemented(WindlassError):
    """This server does not know the call: it is older than this library, or leaves that part out."""

    status = "UNIMPLEMENTED"


class Unauthenticated(WindlassError):
    """The token is missing, wrong or not readable."""

    status = "UNAUTHENTICATED"


class PermissionDenied(WindlassError):
    """The token is right, but its role does not allow this."""

    status = "PERMISSION_DENIED"


class ResourceExhausted(WindlassError):
    """A limit was reached: a message too large, too many streams."""

    status = "RESOURCE_EXHAUSTED"


class Unavailable(WindlassError):
    """No server answered, or the server's database did not, for as long as the call was retried."""

    status = "UNAVAILABLE"


class HandshakeFailed(WindlassError):
    """A server was there, but no TLS with it: one does not trust the other, or does not speak it.  Nothing was sent.

    Other than Unavailable it does not pass: nothing is tried again.
    """

    status = "UNAVAILABLE"


class DeadlineExceeded(WindlassError, TimeoutError):
    """It took too long.  A call that changes something may or may not have been done."""

    status = "DEADLINE_EXCEEDED"


class TaskEnded(WindlassError):
    """A task whose result was waited for ended without one.  `id` is the task's, `result` what its handler left."""

    def __init__(self, message: str, *, id: int, result: Any, reason: str) -> None:
        super().__init__(message, reason=reason, metadata={"task": str(id)})
        self.id = id
        self.result = result


class TaskFailed(TaskEnded):
    """The task's last attempt failed; `message` says why."""


class TaskCanceled(TaskEnded):
    """The task was interrupted; `message` says why, if whoever did it said so."""
