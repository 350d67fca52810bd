"""Which properties of payloads are secret, as their types say.

A payload type marks one by `writeOnly` of JSON Schema, whose meaning it is: may be sent, is never shown.

    password: Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True})]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec


def secret_names(types: Iterable[Any]) -> frozenset[str]:
    """The names that any of these payload types marks; a name that is secret in one is taken for secret in all."""
    return frozenset(name for type_ in types for name in _marked(_schema(type_)))


def _schema(type_: Any) -> object:
    try:
        return msgspec.json.schema(type_)
    except (TypeError, RuntimeError, ValueError):
        # A type that msgspec decodes by a hook of its own, or that has no schema, marks nothing.
        return {}


def _marked(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, part in (schema.get("properties") or {}).items():
            if isinstance(part, dict) and part.get("writeOnly") is True:
                yield name
        for part in schema.values():
            yield from _marked(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _marked(part)
