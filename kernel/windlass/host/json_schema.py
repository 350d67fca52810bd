"""JSON Schemas of payloads, arguments and results, for people and for the clients that build forms of them."""

from __future__ import annotations

from typing import Any

import msgspec


def json_schema(type_: Any) -> bytes | None:
    """The JSON Schema of a type, as text; None for what msgspec can't describe."""
    try:
        return msgspec.json.encode(msgspec.json.schema(type_))
    except (TypeError, RuntimeError, ValueError):
        return None
