"""What plugins register as operations: checked at boot, with all that a call needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from windlass.errors import BadOperation
from windlass.host.json_schema import json_schema
from windlass.operation import Operation, check_operation


class Registered(msgspec.Struct, frozen=True):
    """`name` is `<plugin>.<name>`; schemas are JSON Schema as text, None where there is none."""

    name: str
    plugin: str
    operation: Operation
    decode: Callable[[bytes], Any]
    argument_schema: bytes | None
    result_schema: bytes | None


def register_operations(operations: Iterable[tuple[str, Operation]]) -> dict[str, Registered]:
    """The operations of these plugins, by name.  Raises `BadOperation`."""
    registered: dict[str, Registered] = {}
    for plugin, operation in operations:
        name = f"{plugin}.{check_operation(operation).name}"
        if name in registered:
            raise BadOperation(f"plugin {plugin} has two operations with the name {operation.name}")
        try:
            decoder = msgspec.json.Decoder(operation.argument)
        except TypeError as error:
            raise BadOperation(f"the argument of operation {name} can't be decoded: {error}") from error
        answers = None if operation.result is None else json_schema(operation.result)
        registered[name] = Registered(name, plugin, operation, decoder.decode, json_schema(operation.argument), answers)
    return registered
