"""Named statements as the configuration writes them: SQL with `%(name)s`, and what each parameter must be.

[[plugins.buffer.site.statement]]
name = "order.add"
sql = "insert into orders (id, customer, total) values (%(id)s, %(customer)s, %(total)s)"
parameters = { id = "uuid", customer = "text", total = "decimal?" }
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

StatementName = Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]

TYPES: dict[str, Any] = {
    "text": str,
    "int": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    "float": float,
    "bool": bool,
    "uuid": UUID,
    "decimal": Decimal,
    "date": date,
    "time": time,
    "timestamp": datetime,
    "bytes": bytes,  # base64 in JSON
    "json": Any,
}
"""`text[]` is a list of them, and `text?` may be null or left out."""

VERBS = ("insert", "update", "delete", "merge", "select", "with", "call")
_IGNORED = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.DOTALL)
_PLACEHOLDER = re.compile(r"%(?:\((?P<name>[A-Za-z_][A-Za-z0-9_]*)\)s|(?P<percent>%)|.|$)", re.DOTALL)


class StatementSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[plugins.buffer.site.statement]]`; `parameters` are the words of `TYPES`."""

    name: StatementName
    sql: str
    parameters: dict[str, str] = {}

    def __post_init__(self) -> None:
        used = placeholders(f"statement {self.name}: sql", self.sql)
        for parameter, words in self.parameters.items():
            type_of(f"statement {self.name}: parameters.{parameter}", words)
        for parameter in sorted(used ^ self.parameters.keys()):
            said = "stands in the sql only; add" if parameter in used else "is not used in the sql; use it, or take out"
            raise ValueError(f"statement {self.name}: parameters: {parameter} {said} it")

    @property
    def type(self) -> type[msgspec.Struct]:
        """The struct that its parameters must fit."""
        fields: list[Any] = []
        for parameter, words in self.parameters.items():
            wanted = type_of(parameter, words)
            fields.append((parameter, wanted | None, None) if words.endswith("?") else (parameter, wanted))
        # Optional ones may stand before others.
        return msgspec.defstruct("Parameters", fields, kw_only=True, frozen=True, forbid_unknown_fields=True)

    @property
    def json(self) -> frozenset[str]:
        """The parameters that are JSON."""
        return frozenset(name for name, words in self.parameters.items() if words.removesuffix("?") == "json")


def type_of(field: str, words: str) -> Any:
    """The type of `uuid`, `text[]`, `int?`, …  Raises ValueError."""
    name = words.removesuffix("?")
    element = TYPES.get(name.removesuffix("[]"))
    if element is None or name == "json[]":
        known = ", ".join(TYPES)
        raise ValueError(f"{field}: {words!r} is no type; take one of {known}, with [] for a list and ? for null")
    return GenericAlias(list, (element,)) if name.endswith("[]") else element


def placeholders(field: str, sql: str) -> set[str]:
    """The names that stand in the SQL.  Raises ValueError for a statement that can't be one of a transaction."""
    start = _IGNORED.match(sql)
    verb = re.match(r"[A-Za-z]*", sql[start.end() if start else 0 :])
    if verb is None or verb[0].lower() not in VERBS:
        raise ValueError(f"{field}: must be one statement that begins with {', '.join(VERBS)}")
    if "\0" in sql:
        raise ValueError(f"{field}: holds a zero byte")
    found = set()
    for place in _PLACEHOLDER.finditer(sql):
        if place["name"]:
            found.add(place["name"])
        elif not place["percent"]:
            raise ValueError(f"{field}: at {place[0]!r}: write parameters as %(name)s, and a percent sign as %%")
    return found
