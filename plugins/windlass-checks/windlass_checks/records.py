"""What is remembered of a check, in two documents: where it stands (read by every overview), and its history.

Several nodes may write at once.  Each reads, folds its result in, and puts with the version it read; who was overtaken
does it again, so no result undoes another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec
from windlass import Document, DocumentChanged, Documents

from windlass_checks.judging import Folded, Result, Rules, State, fold

T = TypeVar("T")

STATE = "state/"
HISTORY = "history/"
KEPT = 100
"""Results in the history of a check."""
TRIES = 50
PAGE = 100


class Stored(State, frozen=True, kw_only=True):
    """A state, with what is needed to show it: the `type` of its probe, what it looks at, and seconds between looks."""

    type: str = ""
    target: str = ""
    advice: str = ""
    every: float | None = None
    timeout: float = 0.0


class About(msgspec.Struct, frozen=True):
    """What a check is, for those who only read."""

    type: str
    target: str
    advice: str
    every: float | None
    timeout: float


async def read(documents: Documents, name: str) -> Stored | None:
    """Where a check stands; None when nothing is known of it."""
    document = await documents.get(STATE + name)
    return None if document is None else _stored(document)


async def history(documents: Documents, name: str) -> list[Result]:
    """Its results, oldest first, at most a hundred."""
    document = await documents.get(HISTORY + name)
    return [] if document is None else msgspec.convert(document.value, list[Result])


async def everything(documents: Documents, most: int, after: str = "") -> AsyncIterator[tuple[str, Stored]]:
    """Names and states in the order of the names, of those after `after`."""
    last = STATE + after
    while most > 0:
        page = await documents.list(STATE, after=last, limit=min(PAGE, most))
        for document in page:
            yield document.name.removeprefix(STATE), _stored(document)
        if len(page) < PAGE:
            return
        last, most = page[-1].name, most - len(page)


async def record(documents: Documents, name: str, result: Result, rules: Rules, about: About) -> Folded:
    """Fold a result in, and keep it in the history.  A late one is kept in the history only."""
    folded = Folded(State())

    def folded_in(old: Stored | None) -> Stored | None:
        nonlocal folded
        folded = fold(old or Stored(), result, rules)
        return None if folded.is_late else msgspec.convert({**_fields(folded.state), **_fields(about)}, Stored)

    def added(old: list[Result] | None) -> list[Result]:
        others = [one for one in old or () if one.task != result.task]
        return sorted([*others, result], key=lambda one: one.at)[-KEPT:]

    # In this order: what is known of the state is in the history too, even after a crash in between.
    await _change(documents, HISTORY + name, list[Result], added)
    await _change(documents, STATE + name, Stored, folded_in)
    return folded


async def forget(documents: Documents, name: str) -> bool:
    """Whether there was anything to forget."""
    had_history = await documents.delete(HISTORY + name)
    return await documents.delete(STATE + name) or had_history


async def _change(documents: Documents, name: str, type_: type[T], change: Callable[[T | None], T | None]) -> None:
    for _ in range(TRIES):
        document = await documents.get(name)
        new = change(None if document is None else msgspec.convert(document.value, type_))
        if new is None:
            return
        try:
            await documents.put(name, new, expected=0 if document is None else document.version)
        except DocumentChanged:
            continue
        return
    raise RuntimeError(f"document {name} was changed by others {TRIES} times in a row")


def _stored(document: Document) -> Stored:
    return msgspec.convert(document.value, Stored)


def _fields(struct: msgspec.Struct) -> dict[str, object]:
    return {field: getattr(struct, field) for field in struct.__struct_fields__}
