"""A privileged call as the audit log keeps it: who asked for what, with which words."""

from __future__ import annotations

from typing import Any

from windlass.control.guard import caller, marked, method
from windlass.control.redaction import described
from windlass.errors import InvalidArgument
from windlass.store.facts import Note

LONGEST_REASON = 500


def note(request: Any, resource: str, reason: str = "") -> Note:
    """The note on the RPC that runs now: pass it on to the call that has the effect.  `resource`: such as `tasks/5`.

    Raises `InvalidArgument` for a reason that is none.
    """
    if len(reason) > LONGEST_REASON or "\0" in reason:
        raise InvalidArgument(f"reason must have at most {LONGEST_REASON} characters and no NUL", field="reason")
    who = caller.get()
    name = method.get().lstrip("/")
    return Note(who.name, who.credential, who.role, name, resource, reason, described(request, marked.get()))
