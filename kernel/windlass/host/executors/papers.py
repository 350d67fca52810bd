"""Inside a worker process: documents, asked of the node."""

from __future__ import annotations

import msgspec

from windlass.documents import BlockingDocuments, Document, Documents, Listed
from windlass.host.documents import MOST_LISTED, check_list, check_name, check_put, encoded_value
from windlass.host.executors import wire
from windlass.host.executors.asking import Asking


class AskedDocuments(Documents):
    """For a handler in a loop."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def get(self, name: str, version: int | None = None) -> Document | None:
        return _first(await self._asking.result(_get(self._asking.number(), name, version)))

    async def put(self, name: str, value: object, *, expected: int | None = None, keep: int = 1) -> int:
        return (await self._asking.result(_put(self._asking.number(), name, value, expected, keep))).value

    async def list(self, prefix: str = "", after: str = "", limit: int = MOST_LISTED) -> Listed:
        return _found(await self._asking.result(_list(self._asking.number(), prefix, after, limit)))

    async def delete(self, name: str, *, expected: int | None = None) -> bool:
        return bool((await self._asking.result(_delete(self._asking.number(), name, expected))).value)


class BlockingAskedDocuments(BlockingDocuments):
    """For a blocking one."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def get(self, name: str, version: int | None = None) -> Document | None:
        return _first(self._asking.wait(_get(self._asking.number(), name, version)))

    def put(self, name: str, value: object, *, expected: int | None = None, keep: int = 1) -> int:
        return self._asking.wait(_put(self._asking.number(), name, value, expected, keep)).value

    def list(self, prefix: str = "", after: str = "", limit: int = MOST_LISTED) -> Listed:
        return _found(self._asking.wait(_list(self._asking.number(), prefix, after, limit)))

    def delete(self, name: str, *, expected: int | None = None) -> bool:
        return bool(self._asking.wait(_delete(self._asking.number(), name, expected)).value)


# What does not fit is raised here: the node would take it for a broken frame.


def _get(number: int, name: str, version: int | None) -> wire.Get:
    check_name(name)
    return wire.Get(number, name, version)


def _put(number: int, name: str, value: object, expected: int | None, keep: int) -> wire.Put:
    check_put(name, expected, keep)
    return wire.Put(number, name, encoded_value(name, value).encode(), expected, keep)


def _list(number: int, prefix: str, after: str, limit: int) -> wire.List:
    check_list(prefix, after, limit)
    return wire.List(number, prefix, after, limit)


def _delete(number: int, name: str, expected: int | None) -> wire.Delete:
    check_name(name)
    return wire.Delete(number, name, expected)


def _found(answer: wire.Answer) -> Listed:
    return msgspec.json.decode(answer.documents, type=Listed)


def _first(answer: wire.Answer) -> Document | None:
    return next(iter(_found(answer)), None)
