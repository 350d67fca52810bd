"""What the statements of an entry mean here: SQL and its parameters, or why not.

A site knows the statements of its configuration, and those that plugins register in the module that Windlass loads:

    class AddOrder(msgspec.Struct, forbid_unknown_fields=True):
        id: UUID
        total: Decimal

    windlass_buffer.register_statement("order.add", "insert into orders values (%(id)s, %(total)s)", AddOrder)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from psycopg.types.json import Jsonb
from windlass_buffer_client.envelope import Entry, Statement

from windlass_buffer.parameters import StatementSettings, placeholders


class Refused(Exception):
    """An entry that can never be applied as it is; its words say what to change."""


class Step(NamedTuple):
    """One statement, ready for psycopg."""

    sql: bytes
    parameters: Mapping[str, Any]


class Named(NamedTuple):
    """`json`: the parameters that are JSON whatever they hold."""

    sql: str
    type: Any
    json: frozenset[str] = frozenset()


_registered: dict[str, Named] = {}
"""By plugins, in this process: worker processes load them too."""


def register_statement(name: str, sql: str, parameters: type[msgspec.Struct]) -> None:
    """Every site knows it from then on; a site's own of that name goes first.  Call it while the module is imported.

    Parameters are written `%(name)s`, and a percent sign `%%`; a field of the struct for each.  Raises ValueError.
    """
    used = placeholders(f"statement {name}: sql", sql)
    fields = set(parameters.__struct_fields__)
    if used != fields:
        raise ValueError(f"statement {name}: the sql and {parameters.__name__} differ in {', '.join(used ^ fields)}")
    named = Named(sql, parameters)
    if _registered.get(name, named) != named:
        raise ValueError(f"statement {name}: somebody registered another one of that name; choose a name of your own")
    _registered[name] = named


class Statements:
    """Those that one site knows."""

    def __init__(self, own: Iterable[StatementSettings], *, allow_raw: bool) -> None:
        self._own = {each.name: Named(each.sql, each.type, each.json) for each in own}
        self._allow_raw = allow_raw

    def steps(self, entry: Entry) -> list[Step]:
        """In the order in which they are to be executed.  Raises `Refused`."""
        found = []
        for place, statement in enumerate(entry.statements):
            try:
                found.append(self._named(statement) if statement.name else self._raw(statement))
            except (ValueError, msgspec.ValidationError) as error:
                raise Refused(f"statements[{place}]: {error}") from None
        return found

    def _named(self, statement: Statement) -> Step:
        named = self._own.get(statement.name) or _registered.get(statement.name)
        if named is None:
            near = difflib.get_close_matches(statement.name, [*self._own, *_registered], n=1)
            hint = f"did you mean {near[0]}?" if near else "name it in [[plugins.buffer.site.statement]]"
            raise ValueError(f"there is no statement {statement.name[:100]!r} here; {hint}")
        try:
            parameters = msgspec.structs.asdict(msgspec.convert(statement.parameters, named.type))
        except msgspec.ValidationError as error:
            raise ValueError(f"parameters of {statement.name}: {error}") from None
        return Step(named.sql.encode(), _adapted(parameters, named.json))

    def _raw(self, statement: Statement) -> Step:
        if not self._allow_raw:
            raise ValueError("raw sql is not allowed here; name a statement, or let the operator set allow_raw_sql")
        missing = placeholders("sql", statement.sql) - statement.parameters.keys()
        if missing:
            raise ValueError(f"parameters: {', '.join(sorted(missing))} stands in the sql, and is not given")
        return Step(statement.sql.encode(), _adapted(dict(statement.parameters)))


def _adapted(parameters: dict[str, Any], json: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Objects, and what is declared as JSON, go into the database as jsonb; lists of plain values as arrays."""
    for name, value in parameters.items():
        if value is not None and (name in json or _is_object(value)):
            parameters[name] = Jsonb(msgspec.to_builtins(value))
    return parameters


def _is_object(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(each, dict | list | msgspec.Struct) for each in value)
    return isinstance(value, dict | msgspec.Struct)
