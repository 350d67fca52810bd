"""What operators do with backups: look, make one, prove one, remove one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Annotated

import msgspec
from windlass import Operation, OperationCall, Rejected, Role

from windlass_backups.choosing import choose_source, choose_target, find, shelves, wanted
from windlass_backups.manifest import Manifest
from windlass_backups.payload import BackupPayload, VerifyPayload
from windlass_backups.settings import BackupsSettings
from windlass_backups.trouble import Trouble


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is the `next` of the page before."""

    source: str = ""
    target: str = ""
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class Entry(msgspec.Struct, frozen=True):
    """`stored` and `raw` are bytes.  `verified` is when a restore last proved it; `bad` that one failed."""

    backup: str
    target: str
    source: str
    started: datetime
    stored: int
    raw: int
    task: int
    initiator: str
    verified: datetime | None
    bad: bool


class Listed(msgspec.Struct, frozen=True):
    """Newest first.  `next` is empty on the last page."""

    backups: list[Entry]
    next: str = ""


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backup by its name; the target when it is in several."""

    backup: str
    target: str = ""


class Deleting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    backup: str
    target: str = ""
    even_the_last: bool = False
    """Also when no good one would be left of its source there."""


class Deleted(msgspec.Struct, frozen=True):
    backup: str
    target: str


class Made(msgspec.Struct, frozen=True):
    task: int


class Operations:
    def __init__(self, settings: BackupsSettings) -> None:
        self._settings = settings

    def all(self) -> Iterable[Operation]:
        view = Role.VIEWER
        return [
            Operation("list", "Backups", "What there is, newest first.", self.list, Which, Listed, view, writes=False),
            Operation("show", "Show a backup", "Its manifest.", self.show, One, Manifest, view, writes=False),
            Operation("run", "Back up now", "Makes a task that backs up a source.", self.run, BackupPayload, Made),
            Operation(
                "verify",
                "Prove a backup",
                "Makes a task that restores a backup elsewhere and compares it.",
                self.verify,
                VerifyPayload,
                Made,
            ),
            Operation(
                "delete",
                "Delete a backup",
                "Removes it for good; the last good one of a source only if you insist.",
                self.delete,
                Deleting,
                Deleted,
            ),
        ]

    async def list(self, call: OperationCall, argument: Which) -> Listed:
        return await asyncio.to_thread(self._list, argument)

    async def show(self, call: OperationCall, argument: One) -> Manifest:
        _, manifest = await asyncio.to_thread(find, self._settings, argument.backup, argument.target)
        return manifest

    async def run(self, call: OperationCall, argument: BackupPayload) -> Made:
        choose_source(self._settings, argument.source)
        choose_target(self._settings, argument.source, argument.target)
        return Made(await call.enqueue("Backup", argument))

    async def verify(self, call: OperationCall, argument: VerifyPayload) -> Made:
        await asyncio.to_thread(wanted, self._settings, argument)
        return Made(await call.enqueue("VerifyBackup", argument))

    async def delete(self, call: OperationCall, argument: Deleting) -> Deleted:
        return await asyncio.to_thread(self._delete, argument)

    def _list(self, which: Which) -> Listed:
        every = [
            (stamp, shelf.source, shelf.target, shelf)
            for shelf in shelves(self._settings, which.source, which.target)
            for stamp in shelf.stamps()
        ]
        every.sort(key=lambda each: each[:3], reverse=True)
        # Only what is shown is read, however many there are.
        manifests = (
            (place, manifest)
            for *place, shelf in every
            if not which.after or " ".join(place) < which.after
            if (manifest := shelf.read(place[0])) is not None
        )
        page = list(islice(manifests, which.limit + 1))
        shown = page[: which.limit]
        return Listed(
            [_entry(manifest) for _, manifest in shown], " ".join(shown[-1][0]) if len(page) > which.limit else ""
        )

    def _delete(self, which: Deleting) -> Deleted:
        shelf, manifest = find(self._settings, which.backup, which.target)
        others = (each for each in shelf.backups() if each.backup != manifest.backup)
        if manifest.is_good and not which.even_the_last and not any(each.is_good for each in others):
            raise Rejected(
                f"{manifest.backup} is the last good backup of {manifest.source} on {shelf.target}; "
                "make another first, or set even_the_last"
            )
        try:
            shelf.remove(manifest)
        except Trouble as error:
            raise Rejected(str(error)) from error
        return Deleted(manifest.backup, shelf.target)


def _entry(manifest: Manifest) -> Entry:
    verified = manifest.verified
    return Entry(
        backup=manifest.backup,
        target=manifest.target,
        source=manifest.source,
        started=manifest.started,
        stored=manifest.stored,
        raw=manifest.raw,
        task=manifest.task,
        initiator=manifest.initiator,
        verified=verified.at if verified is not None and verified.ok else None,
        bad=not manifest.is_good,
    )
