"""The script library, by the operations of its plugin: what is shown of a script, and the form that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from windlass_client import Client, NotFound, Operation, WindlassError

from windlass_console.forms import placed
from windlass_console.shapes import resolved

KIND = "ExecuteScript"
PAGE = 100
"""Scripts of one page; the server gives no more at once."""
CHANGED = "saved by somebody else meanwhile"

PARAMETERS = (
    'What it may be told, such as [{"name": "days", "type": "integer", "default": 7}], which the script finds in'
    " WINDLASS_PARAM_DAYS. A type is string, integer, number, boolean, or choice with its choices; description,"
    " required and secret may be said too."
)
OWN_FIELDS = ("name", "text", "expected")
"""Of what is saved, those that the editor draws itself."""


@dataclass(frozen=True, slots=True)
class Operations:
    """Those of the library, by the last part of their names; empty when the plugin is not there."""

    known: Mapping[str, Operation]

    def role(self, name: str) -> str:
        """The least that may call it; admin for what is not there, which nobody may."""
        return self.known[name].role if name in self.known else "admin"

    def details_schema(self) -> Any:
        """Of what is saved beside name and text."""
        schema = without(self.known["save"].argument_schema, OWN_FIELDS)
        if "parameters" in schema["properties"]:
            schema["properties"]["parameters"] = {**schema["properties"]["parameters"], "description": PARAMETERS}
        return schema


async def operations(client: Client) -> Operations:
    """Raises NotFound when no plugin here keeps scripts."""
    every = await client.operations.list()
    known = {each.name.removeprefix("scripts."): each for each in every if each.name.startswith("scripts.")}
    if "list" not in known:
        raise NotFound("This server keeps no scripts: the plugin windlass-scripts is not installed there.")
    return Operations(known)


def without(schema: Any, names: Sequence[str]) -> Any:
    """A schema of an object, or of a reference to one, without some of its properties."""
    inner = dict(resolved(schema, schema))
    inner["properties"] = {key: each for key, each in inner.get("properties", {}).items() if key not in names}
    inner["required"] = [key for key in inner.get("required") or () if key not in names]
    return inner | {"$defs": schema.get("$defs") or {}}


def moment_of(line: Mapping[str, Any]) -> datetime | None:
    """When it was saved."""
    said = line.get("stored_at")
    return datetime.fromisoformat(said) if isinstance(said, str) else None


def parameters_schema(parameters: Sequence[Mapping[str, Any]]) -> Any:
    """Of the values of a script's parameters."""
    properties = {str(each["name"]): _parameter(each) for each in parameters}
    required = [str(each["name"]) for each in parameters if each.get("required")]
    return {"type": "object", "properties": properties, "required": required}


def _parameter(said: Mapping[str, Any]) -> dict[str, Any]:
    words = [str(said.get("description") or "")]
    schema: dict[str, Any] = {"type": said.get("type", "string")}
    if schema["type"] == "choice":
        schema = {"enum": list(said.get("choices") or ())}
    if said.get("secret"):
        words.append("The name of a secret, like prod/db.")
    if said.get("default") is not None:
        schema["default"] = said["default"]
    # The name is what the script finds it by: it is shown as it is.
    return schema | {"title": said["name"], "description": " ".join(filter(None, words))}


def errors_of(error: WindlassError, schema: Any) -> dict[str, str]:
    """What was said of a script that is not saved, by the field of the editor."""
    if CHANGED in error.message:
        return {"conflict": error.message.partition(": ")[2].removeprefix("expected: ")}
    words = error.message
    for name in ("name", "text"):
        sign = f"{name}: "
        if sign in words[:120]:
            return {name: words.partition(sign)[2]}
    found = placed(error, schema, "details")
    return {"" if path == "details" else path: said for path, said in found.items()}
