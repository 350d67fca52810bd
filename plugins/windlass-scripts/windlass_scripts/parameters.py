"""Typed parameters of a script in the library: what they may be, and how their values reach the script."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from windlass import Rejected, check_secret_name

Value = str | int | float | bool

MOST = 50

_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}\Z")
_WANTS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One parameter.  Its value is in WINDLASS_PARAM_<NAME>; of a `secret` one it is the name of a secret."""

    name: Annotated[str, Meta(description="Lower case letters, digits and _; the script finds WINDLASS_PARAM_<NAME>.")]
    type: Annotated[
        Literal["string", "integer", "number", "boolean", "choice"], Meta(description="What its value must be.")
    ] = "string"
    description: Annotated[str, Meta(max_length=1000, description="For whoever runs the script.")] = ""
    default: Annotated[Value | None, Meta(description="Its value when none is given.")] = None
    required: Annotated[bool, Meta(description="It must be given.")] = False
    secret: Annotated[
        bool, Meta(description="Its value names a secret below the secrets_directory, handed over by descriptor.")
    ] = False
    choices: Annotated[list[str], Meta(max_length=100, description="Of the type choice: what it may be.")] = []

    def __post_init__(self) -> None:
        field = f"parameters.{self.name[:50]}"
        if not _NAME.match(self.name):
            raise ValueError(f"parameters: {self.name[:100]!r} is no name; use a to z, 0 to 9 and _, a letter first")
        if (self.type == "choice") != bool(self.choices):
            raise ValueError(f"{field}: choices and the type choice belong together; give both or neither")
        if self.secret and self.type != "string":
            raise ValueError(f"{field}: a secret is of the type string, not {self.type}")
        if self.default is None:
            return
        if self.required:
            raise ValueError(f"{field}: is required and has a default; drop one of them")
        try:
            value_of(self, self.default)
        except Rejected as error:
            raise ValueError(f"{error} (its default)") from None


def check_parameters(parameters: Sequence[Parameter]) -> None:
    """ValueError when two have one name, or there are too many."""
    if len(parameters) > MOST:
        raise ValueError(f"parameters: {len(parameters)}, more than the {MOST} allowed")
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"parameters: two are called {name}; rename one")


def values_of(parameters: Sequence[Parameter], given: Mapping[str, Value]) -> dict[str, Value]:
    """The value of each that has one, in their order.  Raises Rejected, naming the parameter and what it wants."""
    names = [parameter.name for parameter in parameters]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(names) or 'none'}"
            raise Rejected(f"parameters.{name[:50]}: the script has no such parameter; {hint}")
    values: dict[str, Value] = {}
    for parameter in parameters:
        value = given.get(parameter.name, parameter.default)
        if value is not None:
            values[parameter.name] = value_of(parameter, value)
        elif parameter.required:
            raise Rejected(f"parameters.{parameter.name}: is required; give {_wanted(parameter)}")
    return values


def value_of(parameter: Parameter, value: Value) -> Value:
    """The value as its type has it: text that reads as one will do, as a command line sends it.  Raises Rejected."""
    read = _read(parameter, value)
    if read is None:
        raise Rejected(f"parameters.{parameter.name}: wants {_wanted(parameter)}, not {str(value)[:100]!r}")
    if parameter.secret:
        try:
            check_secret_name(f"parameters.{parameter.name}", str(read))
        except ValueError as error:
            raise Rejected(str(error)) from None
    return read


def as_text(value: Value) -> str:
    """As it stands in an environment variable."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _read(parameter: Parameter, value: Value) -> Value | None:
    if parameter.type == "string":
        return as_text(value)
    if parameter.type == "choice":
        return as_text(value) if as_text(value) in parameter.choices else None
    if parameter.type == "boolean":
        return value if isinstance(value, bool) else _WORDS.get(as_text(value).lower())
    wanted = int if parameter.type == "integer" else float
    try:
        number: int | float = msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError:
        return None
    return number if abs(number) < float("inf") else None


def _wanted(parameter: Parameter) -> str:
    if parameter.secret:
        return "the name of a secret, like prod/db"
    if parameter.type == "choice":
        return f"one of {', '.join(parameter.choices)}"
    return _WANTS[parameter.type]
