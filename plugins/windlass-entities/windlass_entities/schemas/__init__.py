"""The JSON Schemas of the public artifacts."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

NAMES = ("asn", "asns-index", "countries-index", "country", "version")


def schema(name: str) -> dict[str, Any]:
    """The schema of that name, one of `NAMES`."""
    found: dict[str, Any] = msgspec.json.decode(files(__name__).joinpath(f"{name}.json").read_bytes())
    return found


def schema_name(path: str) -> str | None:
    """The schema of the file at that path in a tree; None for a private file."""
    match path.split("/"):
        case ["public", "version.json"]:
            return "version"
        case ["public", "countries" | "asns" as folder, "index.json"]:
            return f"{folder}-index"
        case ["public", "countries", _]:
            return "country"
        case ["public", "asns", _]:
            return "asn"
    return None
