"""A privileged call as the audit log keeps it: who asked for what, with which words."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from windlass.control.guard import caller, method
from windlass.store.facts import Note


def note(request: Any, resource: str, reason: str = "") -> Note:
    """The note on the RPC that runs now: pass it on to the call that has the effect.  `resource`: such as `tasks/5`."""
    who = caller.get()
    asked = json_format.MessageToJson(request, preserving_proto_field_name=True, indent=None)
    name = method.get().lstrip("/")
    return Note(who.name, who.credential, who.role, name, resource, reason, asked)
