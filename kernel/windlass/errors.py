"""Every error the kernel raises on purpose; `reason` is the stable word that clients see."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import ClassVar


class WindlassError(Exception):
    """The one base.  `facts` are the ids and numbers a caller may act on; they travel in `ErrorInfo.metadata`."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = {key: str(value) for key, value in facts.items()}


class InvalidArgument(WindlassError):
    """The request can never work as it is.  `field` names the request's field."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, message: str, *, field: str = "", **facts: object) -> None:
        super().__init__(message, **facts)
        self.field = field


class UnknownKind(InvalidArgument):
    reason = "KIND_UNKNOWN"


class KindReserved(InvalidArgument):
    """Tasks of this kind are the kernel's own: an RPC of its name makes them."""

    reason = "KIND_RESERVED"

    @classmethod
    def of(cls, kind: str, field: str) -> KindReserved:
        return cls(f"tasks of kind {kind} are made by Tasks.{kind} alone: call that", field=field, kind=kind)


class PayloadInvalid(InvalidArgument):
    reason = "PAYLOAD_INVALID"


class PayloadTooLarge(InvalidArgument):
    reason = "PAYLOAD_TOO_LARGE"


class BadPageToken(InvalidArgument):
    reason = "PAGE_TOKEN_INVALID"


class FilterInvalid(InvalidArgument):
    """`position` counts the filter's characters from 1."""

    reason = "FILTER_INVALID"


class OrderInvalid(InvalidArgument):
    reason = "ORDER_INVALID"


class FilterTooBroad(WindlassError):
    """The database looked through too much for this filter, or order: it must name less."""

    reason = "FILTER_TOO_BROAD"


class RequestIdReused(InvalidArgument):
    reason = "REQUEST_ID_REUSED"


class ScheduleInvalid(InvalidArgument):
    reason = "SCHEDULE_INVALID"


class ScheduleNotFound(WindlassError):
    reason = "SCHEDULE_NOT_FOUND"


class ScheduleExists(WindlassError):
    """There is one of that name already."""

    reason = "SCHEDULE_EXISTS"


class ScheduleChanged(WindlassError):
    """Somebody else changed it meanwhile, or it belongs to somebody else: look again."""

    reason = "SCHEDULE_CHANGED"


class TaskNotFound(WindlassError):
    reason = "TASK_NOT_FOUND"


class PoolNotFound(WindlassError):
    reason = "POOL_NOT_FOUND"


class KindNotFound(WindlassError):
    reason = "KIND_NOT_FOUND"


class NodeNotFound(WindlassError):
    reason = "NODE_NOT_FOUND"


class NodeGone(WindlassError):
    """The state forbids it: the node has left, or its lease ran out."""

    reason = "NODE_GONE"


class AgentNotFound(WindlassError):
    reason = "AGENT_NOT_FOUND"


class AgentConnected(WindlassError):
    """Another process with this agent's id lives: `facts` say which."""

    reason = "AGENT_CONNECTED"


class AgentPresent(WindlassError):
    """The state forbids it: the agent is connected, or holds tasks that nobody has recovered yet."""

    reason = "AGENT_PRESENT"


class EpochOver(WindlassError):
    """The lease that a worker wanted to go on with has ended: it is to join anew."""

    reason = "EPOCH_OVER"


class SessionOver(WindlassError):
    """A worker's session has ended; its epoch may live on, and it may open another."""

    reason = "SESSION_OVER"


class TaskOver(WindlassError):
    """The state forbids it: the task has already ended."""

    reason = "TASK_OVER"


class TaskInQueue(WindlassError):
    """The state forbids it: the task has not ended yet."""

    reason = "TASK_IN_QUEUE"


class TokenNotFound(WindlassError):
    reason = "TOKEN_NOT_FOUND"


class Unauthenticated(WindlassError):
    """Who calls is not known.  What follows from a secret that was right is said; of a wrong one, nothing."""

    reason = "TOKEN_MISSING_OR_WRONG"


class TokenExpired(Unauthenticated):
    reason = "TOKEN_EXPIRED"


class TokenRevoked(Unauthenticated):
    reason = "TOKEN_REVOKED"


class CertificateUnknown(Unauthenticated):
    """A certificate that the client CA signed, whose names have no role here."""

    reason = "CERTIFICATE_UNKNOWN"


class Forbidden(WindlassError):
    """Who calls is known, and may not do this."""

    reason = "FORBIDDEN"


class RoleTooLow(Forbidden):
    reason = "ROLE_TOO_LOW"


class PoolOutOfScope(Forbidden):
    reason = "POOL_OUT_OF_SCOPE"

    @classmethod
    def of(cls, pool: str, scope: AbstractSet[str]) -> PoolOutOfScope:
        """For a pool that a scope does not hold."""
        yours = ", ".join(sorted(scope))
        return cls(f"pool {pool!r} is not one that your token is good for: {yours}", pool=pool, pools=yours)


class ScopeTooNarrow(Forbidden):
    """It concerns the whole cluster, and the caller is good for some pools only."""

    reason = "SCOPE_TOO_NARROW"


class NotThisAgent(Forbidden):
    """Who calls may work as one agent, and says that it is another."""

    reason = "NOT_THIS_AGENT"


class NotThisPlugin(Forbidden):
    """An agent asks for what a plugin keeps, in a task that is not that plugin's."""

    reason = "NOT_THIS_PLUGIN"


class TooManyCalls(WindlassError):
    """Those who show nothing share some places, and these are taken."""

    reason = "TOO_MANY_CALLS"


class CallTimedOut(WindlassError):
    """The caller named no deadline, and the server's own has passed: whether it had an effect is not known."""

    reason = "CALL_TIMED_OUT"


class StoreUnavailable(WindlassError):
    """The database did not answer.  Nothing is known to be lost; the same call may be made again."""

    reason = "STORE_UNAVAILABLE"


class AttemptSuperseded(WindlassError):
    """What this attempt wanted to write is refused: another attempt holds the task now."""

    reason = "ATTEMPT_SUPERSEDED"


class DocumentChanged(WindlassError):
    """The newest version of a document is not the one that was expected: read it again."""

    reason = "DOCUMENT_CHANGED"


class TaskInterrupted(WindlassError):
    """Somebody interrupts this task: it makes no children any more."""

    reason = "TASK_INTERRUPTED"


class ShuttingDown(WindlassError):
    """This server takes no more of it; another one does."""

    reason = "SHUTTING_DOWN"


class BootError(WindlassError):
    """The kernel cannot start as it is configured; the message says what to change."""

    reason = "BOOT"


class NotReloadable(WindlassError):
    """The state forbids it: nobody said where this server's configuration is."""

    reason = "NOT_RELOADABLE"


class ConfigError(BootError):
    reason = "CONFIG"


class OperationNotFound(WindlassError):
    reason = "OPERATION_NOT_FOUND"


class ArgumentInvalid(InvalidArgument):
    reason = "ARGUMENT_INVALID"


class OperationRejected(WindlassError):
    """The operation itself says that it can't be done as things stand."""

    reason = "OPERATION_REJECTED"


class OperationTimedOut(WindlassError):
    """It took too long, and was ended: what it did until then is not known."""

    reason = "OPERATION_TIMED_OUT"


class BadOperation(BootError):
    reason = "BAD_OPERATION"


class BadHandler(BootError):
    reason = "BAD_HANDLER"
