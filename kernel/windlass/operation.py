"""Operations: what a plugin adds to the control plane, for people, programs, and the screens that are made of them.

async def requeue(call: OperationCall, argument: Which) -> Requeued: ...

Operation("requeue", "Requeue dead letters", "Each is tried again as a new task.", requeue, Which, Requeued)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from windlass.core.access import Role
from windlass.door import Door
from windlass.errors import BadOperation

NAME = re.compile(r"(?=.{1,50}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_TITLE = 100
LONGEST_SECONDS = 3_600.0


class OperationCall(Door):
    """One call of an operation, as the operation sees it.  Tasks that it makes are on behalf of the caller."""

    caller: str
    """Who called, as authenticated."""
    reason: str
    """Why, in the caller's words; often empty."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The argument of an operation that takes none."""


class Operation(msgspec.Struct, frozen=True):
    """One that is registered by `windlass_register_operations`, and called as `<plugin>.<name>`.

    `run` is `async def`, on the node's event loop: what blocks belongs into a thread.  It answers with anything that
    msgspec can encode, up to 1 MiB.  `argument` and `result` are types that msgspec knows; their JSON Schemas are what
    clients build forms and tables of.  What `argument` can't be never comes to `run`.

    `Rejected` tells the caller that it can't be done as things stand (FAILED_PRECONDITION); of any other exception he
    is told an error id, and the log the rest.  A call that `writes` has a row in the audit log, written before it
    runs: it says what was asked, not what came of it.  A call goes on to its end, or through its `seconds`, although
    its caller hangs up.
    """

    name: str
    """Lower case, with hyphens: `requeue-all`."""
    title: str
    description: str
    """For people: what it does, and what comes of it."""
    run: Callable[[OperationCall, Any], Awaitable[Any]]
    argument: Any = Nothing
    result: Any = None
    role: Role = Role.OPERATOR
    """The least that may call it."""
    writes: bool = True
    """It changes something: clients ask before they call."""
    seconds: float = 30.0


def check_operation(operation: Operation) -> Operation:
    """The operation, when it keeps the contract; `BadOperation` with what to mend otherwise."""
    name = operation.name
    if not isinstance(name, str) or not NAME.fullmatch(name):
        allowed = "1 to 50 of a-z, 0-9 and single hyphens, like requeue-all"
        raise BadOperation(f"an operation's name is {allowed}, not {name!r}")
    if not 0 < len(operation.title) <= LONGEST_TITLE or not operation.description.strip():
        raise BadOperation(f"operation {name} needs a title of 1 to {LONGEST_TITLE} characters, and a description")
    if not inspect.iscoroutinefunction(operation.run):
        raise BadOperation(f"operation {name}: run must be `async def`: it runs on the node's event loop")
    if not isinstance(operation.role, Role) or operation.role is Role.AGENT:
        known = ", ".join(f"Role.{role.name}" for role in Role if role is not Role.AGENT)
        raise BadOperation(f"operation {name}: role must be one of {known}, not {operation.role!r}")
    if operation.writes and operation.role is Role.VIEWER:
        raise BadOperation(f"operation {name} changes something, which Role.VIEWER may not: name a higher role")
    if not 0 < operation.seconds <= LONGEST_SECONDS:
        raise BadOperation(f"operation {name}: seconds must be more than 0 and at most {LONGEST_SECONDS:.0f}")
    return operation
