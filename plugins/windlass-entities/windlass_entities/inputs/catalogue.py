"""Reads the catalogue: which feeds there are, and what is known of each."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FeedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A feed as its catalogue describes it.  Further fields of the catalogue are let pass."""

    name: str
    category: str
    maintainer: str
    licence: str = ""
    url: str = ""
    maintained: bool = True


@dataclass(frozen=True, slots=True)
class CatalogueProblem:
    """An entry that could not be used: the feed counts as not in the catalogue."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


class Catalogue(dict[str, FeedEntry]):
    """Feeds by name, sorted, and the entries that could not be used."""

    problems: list[CatalogueProblem]

    def __init__(self, feeds: dict[str, FeedEntry], problems: list[CatalogueProblem]) -> None:
        super().__init__(sorted(feeds.items()))
        self.problems = problems


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    category: str
    maintainer: str
    licence: str = ""
    url: str = ""
    maintained: bool = True


def read_catalogue(data: bytes) -> Catalogue:
    """Reads a JSON object of feed names and what is known of each.

    Raises ValueError when it is no JSON object.  A bad entry is a problem of its own, and the others are read.
    """
    try:
        written = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise ValueError(f"the catalogue must be a JSON object of feed names: {error}") from None
    feeds, problems = {}, []
    for name, raw in written.items():
        try:
            feeds[name] = _entry(name, raw)
        except ValueError as error:
            problems.append(CatalogueProblem(name, str(error)))
    return Catalogue(feeds, problems)


def _entry(name: str, raw: msgspec.Raw) -> FeedEntry:
    """Raises ValueError; msgspec's errors are such."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a name is up to 100 letters, digits, dots, dashes and underscores, and begins with a letter or digit"
        )
    known = msgspec.json.decode(raw, type=_Entry)
    if not known.category.strip() or not known.maintainer.strip():
        raise ValueError("category and maintainer must not be empty")
    return FeedEntry(name=name, **msgspec.structs.asdict(known))
