"""The operations of plugins, found by name and called."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from windlass.core.access import allows
from windlass.documents import Documents
from windlass.errors import (
    ArgumentInvalid,
    OperationNotFound,
    OperationRejected,
    OperationTimedOut,
    RoleTooLow,
)
from windlass.handler import Rejected
from windlass.host.admission import Admission, Caller
from windlass.host.doors import LiveDoor
from windlass.host.registered_operations import Registered
from windlass.host.to_its_end import to_its_end
from windlass.operation import OperationCall
from windlass.store.audit import Audit
from windlass.store.facts import NewTask, Note, Receipt

LARGEST_RESULT = 1024 * 1024
PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")


class LiveCall(LiveDoor, OperationCall):
    def __init__(
        self,
        admission: Admission,
        store: Callable[[NewTask], Awaitable[Receipt]],
        caller: Caller,
        reason: str,
        documents: Documents,
    ) -> None:
        super().__init__(admission, store, "operator", caller, documents)
        self.caller = caller.name
        self.reason = reason


class Operations:
    """`calls` makes what an operation is handed, of its plugin, who calls and why."""

    def __init__(
        self, registered: Mapping[str, Registered], audit: Audit, calls: Callable[[str, Caller, str], OperationCall]
    ) -> None:
        self._registered = registered
        self._audit = audit
        self._calls = calls

    def all(self) -> list[Registered]:
        """By name."""
        return [self._registered[name] for name in sorted(self._registered)]

    async def call(self, name: str, argument: bytes, caller: Caller, note: Note) -> bytes:
        """The result of `<plugin>.<name>`, as JSON text.  `note` is kept when the operation writes.

        Raises `OperationNotFound`, `RoleTooLow`, `ArgumentInvalid`, `OperationRejected`, `OperationTimedOut`, and what
        else the operation raises.
        """
        found = self._found(name)
        least = found.operation.role
        if not allows(caller.role, least):
            mine, needed = caller.role.name.lower(), least.name.lower()
            raise RoleTooLow(f"operation {name} needs the role {needed}; yours is {mine}", needed=needed, role=mine)
        asked = _argument(found, argument)
        if found.operation.writes:
            # Its effect is anywhere: the row comes first, and claims nothing of what comes of it.
            await self._audit.write(note)
        return await to_its_end(_run(found, self._calls(found.plugin, caller, note.reason), asked))

    def _found(self, name: str) -> Registered:
        if found := self._registered.get(name):
            return found
        near = difflib.get_close_matches(name, self._registered, n=1)
        known = ", ".join(sorted(self._registered)) or "none"
        hint = f"did you mean {near[0]}?" if near else f"known operations: {known}"
        raise OperationNotFound(f"no plugin here has the operation {name[:100]!r}; {hint}", operation=name)


def _argument(found: Registered, argument: bytes) -> Any:
    try:
        return found.decode(argument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = str(error)
        path = PATH.search(said)
        field = f"argument{path['path'] if path else ''}"
        raise ArgumentInvalid(f"the argument does not fit operation {found.name}: {said}", field=field) from error


async def _run(found: Registered, call: OperationCall, argument: Any) -> bytes:
    operation = found.operation
    try:
        async with asyncio.timeout(operation.seconds) as limit:
            result = await operation.run(call, argument)
    except Rejected as error:
        raise OperationRejected(f"operation {found.name}: {error}", operation=found.name) from error
    except TimeoutError as error:
        if not limit.expired():
            raise
        late = f"operation {found.name} took longer than its {operation.seconds:g} s, and was ended"
        raise OperationTimedOut(late, operation=found.name) from error
    encoded = msgspec.json.encode(result)
    if len(encoded) > LARGEST_RESULT:
        raise ValueError(
            f"operation {found.name} answered with {len(encoded)} bytes; at most {LARGEST_RESULT} are sent"
        )
    return encoded
