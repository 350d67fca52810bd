"""What a new task may be told beside its payload, as a schema to draw, and the secrets of an old one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from windlass_client import Task, WindlassError
from windlass_client.cluster import Kind
from windlass_client.resources import TaskOptions

from windlass_console.forms import placed
from windlass_console.masking import NAMED_LIKE_SECRETS
from windlass_console.shapes import Shape, shape_of

FIELDS = {
    "retry.attempts": "retry_attempts",
    "retry.pause": "retry_pause",
    "concurrency.key": "concurrency_key",
    "concurrency.limit": "concurrency_limit",
    "due_time": "due",
}
"""Where the server has another name for what the form calls so."""
SECONDS = {"type": "number", "exclusiveMinimum": 0}
Path = tuple[str, ...]


def options_schema(kind: Kind, pools: Iterable[str], reach: Collection[str] = ()) -> dict[str, Any]:
    """Of the options of a task of this kind; what is left out there is decided by the kind.

    `reach`: the pools that the caller is kept to, if any: when the kind's own is none of them, one must be chosen.
    """
    is_own = not reach or kind.pool in reach
    names = sorted({*pools, *([kind.pool] if kind.pool and is_own else [])})
    usual = {"default": kind.pool} if is_own else {}
    properties = {
        "title": {"type": "string", "maxLength": 200, "description": "What people see in lists."},
        "priority": _said(
            "integer", "High is 10 and more, medium 5 to 9, low below.", minimum=0, maximum=100, default=5
        ),
        "pool": {"enum": names, "description": "Which worker slots it takes.", **usual},
        "due": {
            "type": "string",
            "format": "date-time",
            "title": "Not before",
            "description": "In your time zone; at once when left out.",
        },
        "labels": {**_map("To find it by."), "title": "Labels"},
        "after": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "title": "After tasks",
            "description": "Ids of tasks that must have ended first.",
        },
        "after_success": _said("boolean", "Else it is canceled.", title="… and only if they completed", default=False),
        **_retries(kind),
        **_keys(),
        **_limits(),
    }
    return {"type": "object", "properties": properties, "required": [] if is_own else ["pool"]}


def _retries(kind: Kind) -> dict[str, Any]:
    tries, pause = kind.retry.attempts, kind.retry.pause
    return {
        "retry_attempts": _said("integer", "How often it is tried in all.", title="Tries", minimum=1, default=tries),
        "retry_pause": _said("number", "Seconds between two.", title="Pause between tries", minimum=0, default=pause),
    }


def _keys() -> dict[str, Any]:
    return {
        "coalesce_key": _said("string", "Folds into a waiting task of this kind with the same key.", maxLength=500),
        "alone": _said("boolean", "Whatever the kind says.", title="Fold into none", default=False),
        "concurrency_key": _said("string", "No more than so many tasks with this key run at once:", maxLength=500),
        "concurrency_limit": _said("integer", "With a concurrency key.", minimum=1, default=1),
    }


def _limits() -> dict[str, Any]:
    return {
        "start_within": {**SECONDS, "description": "Seconds, once it is due, in which it must be started."},
        "run_limit": {**SECONDS, "description": "Seconds that an attempt may run."},
        "silence_limit": {**SECONDS, "description": "Seconds that an attempt may say nothing."},
    }


def _said(sort: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": sort, "description": description, **more}


def _map(description: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": "string"}, "description": description}


def options_of(value: Mapping[str, Any]) -> TaskOptions:
    """What the form said, as the client takes it."""
    said = {name: each for name, each in value.items() if name != "alone"}
    if "due" in said:
        said["due"] = datetime.fromisoformat(said["due"])
    if value.get("alone"):
        said["coalesce_key"] = ""
    return cast("TaskOptions", said)


def options_from(task: Task) -> dict[str, Any]:
    """What a new task like this one would be told."""
    said = {
        "title": task.title,
        "priority": task.priority,
        "pool": task.pool,
        "labels": dict(task.labels),
        "retry_attempts": task.retry_attempts,
        "retry_pause": task.retry_pause,
        "coalesce_key": task.coalesce_key,
    }
    return {name: each for name, each in said.items() if each not in ("", {}, None)}


def errors_of(error: WindlassError, schema: Any) -> dict[str, str]:
    """The server's words by the path of a field; at "" when they belong to none."""
    field = error.details.fields[0].field if error.details.fields else ""
    if field.startswith("task.payload"):
        return placed(error, schema)
    name = field.removeprefix("task.")
    if field.startswith("task.labels"):
        name = "labels"
    if field.startswith("task.") and name != "kind":
        return {f"task.{FIELDS.get(name, name)}": error.message}
    return {"": error.message}


def without_secrets(schema: Any, value: Any) -> tuple[Any, list[Path]]:
    """The value without what its schema or its name marks as secret, and the paths of what is left out."""
    hidden: list[Path] = []
    return _shown(shape_of(schema), value, (), hidden), hidden


def _shown(shape: Shape | None, value: Any, path: Path, hidden: list[Path]) -> Any:
    if not isinstance(value, dict):
        return value
    shown = {}
    for name, each in value.items():
        child = next((one for one in shape.children if one.name == name), None) if shape else None
        is_marked = (child is not None and child.secret) or (
            isinstance(each, str) and NAMED_LIKE_SECRETS.search(name) is not None
        )
        if is_marked and each not in (None, ""):
            hidden.append((*path, name))
        else:
            shown[name] = _shown(child, each, (*path, name), hidden)
    return shown


def put_back(value: Any, source: Any, paths: Sequence[Path]) -> None:
    """Gives `value` what `source` has at these paths, where it has nothing of its own."""
    for *way, name in paths:
        place, origin = value, source
        for step in way:
            if not isinstance(place, dict) or not isinstance(origin, dict):
                break
            place, origin = place.setdefault(step, {}), origin.get(step)
        if isinstance(place, dict) and isinstance(origin, dict) and name in origin:
            place.setdefault(name, origin[name])
