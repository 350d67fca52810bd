"""Errors that cross from the node to a worker process: by name and as data, so that no code is named."""

from __future__ import annotations

import builtins

from windlass import errors
from windlass.errors import InvalidArgument, WindlassError
from windlass.host.executors.wire import Refusal


def pack(error: Exception) -> Refusal:
    name, message = type(error).__name__, str(error)
    if not isinstance(error, WindlassError):
        return Refusal(name, message)
    field = error.field if isinstance(error, InvalidArgument) else ""
    return Refusal(name, error.message, field, error.facts)


def unpack(refusal: Refusal) -> Exception:
    """The same error again; a `RuntimeError` for one whose class is neither ours nor Python's."""
    ours = getattr(errors, refusal.type, None)
    if isinstance(ours, type) and issubclass(ours, WindlassError):
        error = ours(refusal.message, **refusal.facts)
        if isinstance(error, InvalidArgument):
            error.field = refusal.field
        return error
    pythons = getattr(builtins, refusal.type, None)
    if pythons in (TypeError, ValueError, RuntimeError):
        return pythons(refusal.message)  # type: ignore[no-any-return]
    return RuntimeError(f"{refusal.type}: {refusal.message}")
