"""What people do with checks: look at them, have one made now, forget one that is no more."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from windlass import Documents, Operation, OperationCall, Rejected, Role

from windlass_checks import records
from windlass_checks.handler import CheckHandler, type_of
from windlass_checks.judging import Result, Shown, is_overdue
from windlass_checks.payload import Name, NoName
from windlass_checks.records import Stored
from windlass_checks.settings import ChecksSettings, ConfiguredCheck

MOST = 5_000
"""Checks that one call looks through."""


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`state`: only those; `after`: the last name of the page before."""

    state: Shown | None = None
    after: NoName = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a check stands.  `recent` are response times in milliseconds, the newest last, null for failures."""

    name: str
    state: Shown
    type: str
    target: str
    since: datetime | None = None
    is_configured: bool = False
    is_overdue: bool = False
    """Nothing was heard for long: what it says may not be so any more."""
    every: float | None = None
    last_at: datetime | None = None
    response_ms: float | None = None
    verdict: str = ""
    warning: str = ""
    recent: tuple[float | None, ...] = ()


class Standings(msgspec.Struct, frozen=True):
    """`next`: ask again with it as `after`; empty at the end."""

    checks: list[Standing]
    next: str = ""


class Known(msgspec.Struct, frozen=True):
    """`history` is oldest first, at most a hundred results."""

    check: Standing
    history: list[Result]


class Answer(msgspec.Struct, frozen=True):
    name: str
    task: int | None = None


class CheckOperations:
    """The operations `checks.list`, `checks.show`, `checks.run` and `checks.forget`."""

    def __init__(self, settings: ChecksSettings) -> None:
        self._configured = settings.by_name

    def all(self) -> Iterable[Operation]:
        return [
            _reading("list", "List checks", "Where each stands, and since when.", self.list, Page, Standings),
            _reading("show", "Show a check", "Where it stands, and its last 100 results.", self.show, Which, Known),
            Operation(
                "run",
                "Run a check now",
                "Makes the task of a configured check at once; its schedule goes on as it was.",
                self.run,
                Which,
                Answer,
                role=Role.SUBMITTER,
            ),
            Operation(
                "forget",
                "Forget a check",
                "Removes its state and history.  One that is still scheduled begins anew.",
                self.forget,
                Which,
                Answer,
            ),
        ]

    async def list(self, call: OperationCall, page: Page) -> Standings:
        now, found = datetime.now(UTC), []
        async for name, stored in self._merged(call.documents, page.after):
            standing = self._standing(name, stored, now)
            if page.state in (None, standing.state):
                found.append(standing)
            if len(found) > page.limit:
                return Standings(found[: page.limit], found[page.limit - 1].name)
        return Standings(found)

    async def show(self, call: OperationCall, which: Which) -> Known:
        stored = await records.read(call.documents, which.name)
        if stored is None and which.name not in self._configured:
            raise Rejected(f"nothing is known of a check {which.name!r}; {self._hint(which.name)}")
        standing = self._standing(which.name, stored, datetime.now(UTC))
        return Known(standing, await records.history(call.documents, which.name))

    async def run(self, call: OperationCall, which: Which) -> Answer:
        check = self._configured.get(which.name)
        if check is None:
            raise Rejected(f"there is no {which.name!r} in this node's configuration; {self._hint(which.name)}")
        task = await call.enqueue(CheckHandler.kind, {"check": which.name}, pool=check.pool)
        return Answer(which.name, task)

    async def forget(self, call: OperationCall, which: Which) -> Answer:
        if not await records.forget(call.documents, which.name):
            raise Rejected(f"nothing is known of a check {which.name!r}")
        return Answer(which.name)

    async def _merged(self, documents: Documents, after: str) -> AsyncIterator[tuple[str, Stored | None]]:
        """All by name: those that were looked at, and those of the configuration that were not yet."""
        waiting = sorted((name for name in self._configured if name > after), reverse=True)
        async for name, stored in records.everything(documents, MOST, after):
            while waiting and waiting[-1] < name:
                yield waiting.pop(), None
            if waiting and waiting[-1] == name:
                waiting.pop()
            yield name, stored
        while waiting:
            yield waiting.pop(), None

    def _standing(self, name: str, stored: Stored | None, now: datetime) -> Standing:
        check = self._configured.get(name)
        if stored is None:
            assert check is not None
            return _not_yet(check)
        last = stored.last
        return Standing(
            name=name,
            state=stored.shown,
            type=stored.type,
            target=stored.target,
            since=stored.since,
            is_configured=check is not None,
            is_overdue=stored.every is not None and is_overdue(stored, stored.every, stored.timeout, now),
            every=stored.every,
            last_at=last.at if last else None,
            response_ms=last.response_ms if last else None,
            verdict=last.verdict if last else "",
            warning=last.warning if last else "",
            recent=stored.recent,
        )

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._configured, n=1)
        return f"did you mean {near[0]}?" if near else "checks.list names those there are"


def _reading(
    name: str, title: str, description: str, run: Callable[[OperationCall, Any], Awaitable[Any]], *types: Any
) -> Operation:
    argument, result = types
    return Operation(name, title, description, run, argument, result, role=Role.VIEWER, writes=False)


def _not_yet(check: ConfiguredCheck) -> Standing:
    return Standing(
        name=check.name,
        state="unknown",
        type=type_of(check.probe),
        target=check.probe.target,
        is_configured=True,
        every=check.interval,
        verdict="not looked at yet",
    )
