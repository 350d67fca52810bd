"""What people do with the pages: look at findings, have them checked, rebuilt and repaired, and read one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from windlass import Operation, OperationCall, Rejected, Role

from windlass_entities import records
from windlass_entities.handlers.check import CheckEntities
from windlass_entities.handlers.kinds import check_configured
from windlass_entities.handlers.rebuild import RebuildEntities, RebuildSelected
from windlass_entities.handlers.repair import RepairEntities
from windlass_entities.health import Transition
from windlass_entities.indexes import TRANSITIONS, asn_path, country_path, facts_path
from windlass_entities.listing import Entities, Listing, Search
from windlass_entities.payloads import Asn, Check, Country, Feed, Nothing, Selection
from windlass_entities.records import Found, Moved
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import NoTree, TreeTrouble, open_tree

LARGEST_TEXT = 900_000
"""Bytes of a page that fit into an answer."""


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is the `next` of the page before."""

    kind: Annotated[str, Meta(description="Only findings of this kind, such as detail_missing.")] = ""
    target: Annotated[str, Meta(description="Only findings whose target holds this text.")] = ""
    after: Annotated[int, Meta(ge=0, description="Skip so many.")] = 0
    limit: Annotated[int, Meta(ge=1, le=1_000, description="At most so many.")] = 100


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What the last check found; None of it when nobody has checked yet.

    `total` and `counts` are of all, `findings` are those that were asked for, of the first thousand.
    """

    checked_at: datetime | None = None
    task: int | None = None
    generation: int | None = None
    total: int = 0
    counts: dict[str, int] = {}
    deferred: int = 0
    findings: list[Found] = []
    next: int | None = None


class Asked(msgspec.Struct, frozen=True):
    """The task that does it.  `joined`: it was there already, and this request is a part of it now."""

    task: int
    joined: bool


class Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of them."""

    country: Country | None = None
    asn: Asn | None = None
    feed: Feed | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.country, self.asn, self.feed)) != 1:
            raise ValueError('name one page: {"country": "US"}, {"asn": 13335} or {"feed": "tor_exits"}')

    @property
    def path(self) -> str:
        if self.country is not None:
            return country_path(self.country)
        return asn_path(self.asn) if self.asn is not None else facts_path(self.feed or "")

    @property
    def absent(self) -> str:
        """Why there may be none."""
        if self.country is not None:
            return f"no feed has an address in {self.country}, as far as the tables know"
        if self.asn is not None:
            return f"no feed has an address in AS{self.asn}, as far as the tables know"
        return f"there is no feed {self.feed} in the catalogue, or nobody has looked at it yet"


class Shown(msgspec.Struct, frozen=True):
    """`text` is the file as it is published."""

    generation: int
    path: str
    text: str


class Transitions(msgspec.Struct, frozen=True):
    """The last ones, the newest first."""

    transitions: list[Moved]


class EntityOperations:
    """The seven of them."""

    def __init__(self, settings: EntitiesSettings) -> None:
        self._settings = settings
        self._listing = Listing()

    def all(self) -> Iterable[Operation]:
        return [
            _reading("findings", "Findings", "What the last check found.", self.findings, Which, Findings),
            _reading("show", "Show a page", "Of a country, an ASN or a feed, as published.", self.show, Page, Shown),
            _reading(
                "transitions", "Transitions", "The last health transitions.", self.transitions, Nothing, Transitions
            ),
            _reading("list", "List pages", _LIST, self.list, Search, Entities),
            Operation("check", "Check all pages", _CHECK, self.check, Nothing, Asked),
            Operation("rebuild", "Rebuild pages", _REBUILD, self.rebuild, Selection, Asked),
            Operation("repair", "Repair pages", _REPAIR, self.repair, Nothing, Asked),
        ]

    async def findings(self, call: OperationCall, which: Which) -> Findings:
        check_configured(self._settings)
        last = await records.checked(call.documents)
        if last is None:
            return Findings()
        matching = (each for each in last.findings if which.kind in ("", each.kind) and which.target in each.target)
        page = list(islice(matching, which.after, which.after + which.limit + 1))
        return Findings(
            checked_at=last.at,
            task=last.task,
            generation=last.generation,
            total=last.total,
            counts=last.counts,
            deferred=last.deferred,
            findings=page[: which.limit],
            next=which.after + which.limit if len(page) > which.limit else None,
        )

    async def check(self, call: OperationCall, argument: Nothing) -> Asked:
        return await self._ask(call, CheckEntities.kind, Check())

    async def rebuild(self, call: OperationCall, argument: Selection) -> Asked:
        if argument:
            return await self._ask(call, RebuildSelected.kind, argument)
        return await self._ask(call, RebuildEntities.kind, Nothing())

    async def repair(self, call: OperationCall, argument: Nothing) -> Asked:
        return await self._ask(call, RepairEntities.kind, argument)

    async def show(self, call: OperationCall, argument: Page) -> Shown:
        check_configured(self._settings)
        return await asyncio.to_thread(self._show, argument)

    async def list(self, call: OperationCall, argument: Search) -> Entities:
        check_configured(self._settings)
        return await asyncio.to_thread(self._list, argument)

    async def transitions(self, call: OperationCall, argument: Nothing) -> Transitions:
        check_configured(self._settings)
        return await asyncio.to_thread(self._transitions)

    async def _ask(self, call: OperationCall, kind: str, payload: object) -> Asked:
        check_configured(self._settings)
        made = await call.ask(kind, payload)
        return Asked(made.task, made.joined)

    def _show(self, page: Page) -> Shown:
        with _readable(page.path), open_tree(Path(self._settings.root)) as tree:
            try:
                data = tree.read(page.path)
            except FileNotFoundError:
                raise Rejected(page.absent) from None
            if len(data) > LARGEST_TEXT:
                file = Path(self._settings.root) / "current" / page.path
                raise Rejected(f"it has {len(data):,} bytes, more than an answer holds: read {file}")
            return Shown(tree.generation, page.path, data.decode())

    def _list(self, search: Search) -> Entities:
        with _readable(f"the index of {search.of}"):
            return self._listing.find(Path(self._settings.root), search)

    def _transitions(self) -> Transitions:
        with _readable(TRANSITIONS), open_tree(Path(self._settings.root)) as tree:
            found = msgspec.json.decode(tree.read(TRANSITIONS), type=list[Transition])
        return Transitions([Moved(each.feed, each.before, each.after, each.at) for each in reversed(found)])


def _reading(
    name: str, title: str, description: str, run: Callable[[OperationCall, Any], Awaitable[Any]], *types: Any
) -> Operation:
    argument, result = types
    return Operation(name, title, description, run, argument, result, role=Role.VIEWER, writes=False)


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Raises `Rejected` with what to do when nothing is published, or `what` is damaged."""
    try:
        yield
    except NoTree as error:
        raise Rejected(f"nothing is published yet ({error}); entities.rebuild publishes") from None
    except TreeTrouble as error:
        raise Rejected(str(error)) from None
    except (OSError, ValueError) as error:
        raise Rejected(f"{what} can't be read ({error}): entities.repair mends it") from None


_LIST = "Countries, ASNs or feeds that have a page, by code, number or name."
_CHECK = "Makes a task that reads and hashes all pages; entities.findings tells what it found. It repairs nothing."
_REBUILD = (
    "Makes a task that computes pages anew: all of them, or those of the feeds, countries and ASNs that are named."
)
_REPAIR = "Makes a task that looks for itself and does the smallest repair, however much is wrong."
