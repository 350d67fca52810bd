"""The kind Backup."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from windlass import (
    BlockingContext,
    Concurrency,
    Context,
    Failed,
    Graces,
    Handler,
    Outcome,
    Rejected,
    Retry,
    RetryPolicy,
    Role,
    Success,
)

from windlass_backups.archiving import archive, described
from windlass_backups.choosing import choose_source, choose_target, shelf_of
from windlass_backups.dumping import counted, dump
from windlass_backups.login import read_login
from windlass_backups.manifest import Database, Manifest, Tree, file_name
from windlass_backups.packing import Packer, size
from windlass_backups.payload import BackupPayload
from windlass_backups.retention import superfluous
from windlass_backups.settings import BackupsSettings, DirectorySource, PostgresSource
from windlass_backups.shelf import INDEX, Draft, Shelf
from windlass_backups.stopping import Stop
from windlass_backups.trouble import NoRoom, Stopped, Trouble


class Backup(Handler[BackupPayload]):
    """Backs up a source to a target.

    It blocks, so it runs in a process, and with that process ends all it started.  A request that comes while a backup
    runs gets the one after it: who asks for a backup wants what he has just done to be in it.
    """

    kind = "Backup"
    role = Role.OPERATOR
    retry = RetryPolicy(attempts=5, pause=60.0, growth=2.0)
    graces = Graces(ask=8.0, cleanup=20.0)

    def __init__(self, settings: BackupsSettings) -> None:
        self._settings = settings

    def title(self, payload: BackupPayload) -> str:
        return f"back up {payload.source}" + (f" to {payload.target}" if payload.target else "")

    def coalesce_key(self, payload: BackupPayload) -> str:
        return f"{payload.source} to {self._target(payload)}"

    def concurrency(self, payload: BackupPayload) -> Concurrency:
        return Concurrency(f"backup {payload.source} to {self._target(payload)}")

    def run(self, ctx: BlockingContext, payload: BackupPayload) -> Outcome:
        source = choose_source(self._settings, payload.source)
        shelf = self._shelf(payload)
        stop = Stop(ctx.cancelled)
        try:
            with shelf.held():
                if swept := shelf.sweep():
                    ctx.step(f"removed {swept} unfinished backup{'s' * (swept > 1)} that an earlier run left behind")
                manifest = self._back_up(ctx, stop, shelf, source, payload.source)
                removed = self._clear(ctx, shelf)
        except Stopped:
            return Failed("interrupted: nothing of this backup is kept")
        except NoRoom as error:
            return Failed(f"target {shelf.target}: {error}")
        except Trouble as error:
            return Retry(str(error))
        return Success(_told(manifest, removed))

    async def cleanup(self, ctx: Context, payload: BackupPayload) -> None:
        """The draft of an attempt that was killed, which could not remove it."""
        try:
            shelf = self._shelf(payload)
        except Rejected:
            return
        await asyncio.to_thread(shelf.discard, ctx.task.id, ctx.task.attempt)

    def _target(self, payload: BackupPayload) -> str:
        # Asked before anybody has looked at the names: a wrong one is refused by `run`.
        if payload.target or payload.source not in self._settings.sources:
            return payload.target
        return "".join(self._settings.targets_of(payload.source)[:1])

    def _shelf(self, payload: BackupPayload) -> Shelf:
        choose_source(self._settings, payload.source)
        target = choose_target(self._settings, payload.source, payload.target)
        return shelf_of(self._settings, target, payload.source)

    def _back_up(
        self, ctx: BlockingContext, stop: Stop, shelf: Shelf, source: PostgresSource | DirectorySource, name: str
    ) -> Manifest:
        began = datetime.now(UTC)
        with shelf.draft(began, ctx.task.id, ctx.task.attempt) as draft:
            packer, holds = self._write(ctx, stop, draft, source, name)
            ctx.stage("finishing")
            manifest = Manifest(
                backup=draft.backup,
                source=name,
                target=shelf.target,
                started=began,
                ended=datetime.now(UTC),
                raw=packer.raw,
                stored=packer.stored,
                sha256=packer.sha256,
                task=ctx.task.id,
                initiator=ctx.task.initiator,
                holds=holds,
            )
            stop.check()
            draft.keep(manifest)
        what = counted(holds.tables) if isinstance(holds, Database) else described(holds)
        ctx.step(f"{draft.backup} is on {shelf.target}: {size(packer.stored)} of {size(packer.raw)}, {what}")
        return manifest

    def _write(
        self, ctx: BlockingContext, stop: Stop, draft: Draft, source: PostgresSource | DirectorySource, name: str
    ) -> tuple[Packer, Database | Tree]:
        level = self._settings.level
        if isinstance(source, PostgresSource):
            login = read_login(source.dsn_file, f"sources.{name}.dsn_file")
            return dump(ctx, stop, login, self._settings.pg_bin, draft.folder / file_name(name, Database), level)
        paths = (draft.folder / file_name(name, Tree), draft.folder / INDEX)
        # Backups of backups would never end.
        apart = [target.path for target in self._settings.targets.values()]
        return archive(ctx, stop, source.path, source.exclude, apart, paths, level)

    def _clear(self, ctx: BlockingContext, shelf: Shelf) -> list[str]:
        """Remove what is beyond the limits; a step for each.  What can't be removed does not undo the backup."""
        removed = []
        limits = self._settings.targets[shelf.target]
        going = superfluous(list(shelf.backups()), limits, datetime.now(UTC))
        if going:
            ctx.stage("removing old backups")
        for old, why in going:
            try:
                shelf.remove(old)
            except Trouble as error:
                ctx.step(f"could not remove {old.backup}: {error}")
                continue
            ctx.step(f"removed {old.backup}: {why}")
            removed.append(old.backup)
        return removed


def _told(manifest: Manifest, removed: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "backup": manifest.backup,
        "target": manifest.target,
        "raw": manifest.raw,
        "stored": manifest.stored,
        "sha256": manifest.sha256,
        "removed": removed,
    }
    holds = manifest.holds
    if isinstance(holds, Database):
        return told | {"tables": len(holds.tables), "rows": sum(holds.tables.values())}
    incomplete = {"unreadable": holds.unreadable, "changed": holds.changed, "vanished": holds.vanished}
    return told | {"files": holds.files, "size": holds.size, "special": holds.special, **incomplete}
