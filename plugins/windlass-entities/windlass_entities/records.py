"""What the plugin remembers in documents: the last publication, the last check, and files that changed nothing.

Panel and operations read these, so nobody scans the tree because somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from windlass import BlockingDocuments, Documents

PUBLISHED = "published"
CHECKED = "checked"
SEEN = "seen/"
MOST_FINDINGS = 1_000
LONGEST_DETAIL = 120
PAGE = 100


class Moved(msgspec.Struct, frozen=True):
    """A feed's health class changed."""

    feed: str
    before: str
    after: str
    at: datetime


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """The newest generation, with what it holds; `health`: how many feeds are of which class."""

    generation: int
    at: datetime
    task: int
    kind: str
    trigger: str
    seconds: float = 0.0
    written: int = 0
    removed: int = 0
    feeds: int = 0
    countries: int = 0
    asns: int = 0
    health: dict[str, int] = {}
    transitions: list[Moved] = []
    """The newest last."""


class Found(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    kind: str
    target: str
    detail: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What the last check found.  `findings` are the first thousand; `total` and `counts` are of all.

    `deferred`: so many were left alone, because there were more than may be repaired unasked.
    """

    at: datetime
    task: int
    generation: int
    total: int = 0
    counts: dict[str, int] = {}
    findings: list[Found] = []
    deferred: int = 0
    seconds: float = 0.0


class Seen(msgspec.Struct, frozen=True):
    """A file that was looked at and changed nothing.  It counts as long as the feed stands as it did then."""

    sha256: str
    accepted: str
    """The sha256 of the file that was accepted last."""
    unavailable: bool


def kept(findings: Iterable[Found]) -> list[Found]:
    """As many as fit into a document, with short details."""
    found = []
    for number, each in enumerate(findings):
        if number == MOST_FINDINGS:
            break
        detail = each.detail if len(each.detail) <= LONGEST_DETAIL else each.detail[: LONGEST_DETAIL - 1] + "…"
        found.append(Found(each.kind, each.target, detail))
    return found


async def published(documents: Documents) -> Publication | None:
    document = await documents.get(PUBLISHED)
    return None if document is None else msgspec.convert(document.value, Publication)


async def checked(documents: Documents) -> Checked | None:
    document = await documents.get(CHECKED)
    return None if document is None else msgspec.convert(document.value, Checked)


async def seen(documents: Documents) -> dict[str, Seen]:
    """By feed."""
    found: dict[str, Seen] = {}
    after = ""
    while page := await documents.list(SEEN, after, PAGE):
        found |= {each.name.removeprefix(SEEN): msgspec.convert(each.value, Seen) for each in page}
        after = page[-1].name
    return found


def last_publication(documents: BlockingDocuments) -> tuple[Publication | None, int]:
    """With the version of its document; None and 0 before the first."""
    document = documents.get(PUBLISHED)
    return (None, 0) if document is None else (msgspec.convert(document.value, Publication), document.version)
