"""The kind VerifyBackup."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace
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

from windlass_backups.choosing import wanted
from windlass_backups.login import Login, read_login
from windlass_backups.manifest import Database, Manifest, Verified
from windlass_backups.packing import check_stored, size
from windlass_backups.payload import VerifyPayload
from windlass_backups.restoring import restore_database
from windlass_backups.scratch import database_name, drop_database, folder_name, remove_folder
from windlass_backups.settings import BackupsSettings, PostgresSource
from windlass_backups.shelf import INDEX, Shelf
from windlass_backups.stopping import Meter, Stop
from windlass_backups.trouble import Damaged, NoRoom, Stopped, Trouble
from windlass_backups.unpacking import restore_tree

_KEPT = 100
_TOLD = 20


class VerifyBackup(Handler[VerifyPayload]):
    """Proves a backup by restoring it somewhere else.  What came of it is kept in the backup's manifest."""

    kind = "VerifyBackup"
    role = Role.OPERATOR
    retry = RetryPolicy(attempts=5, pause=60.0, growth=2.0)
    graces = Graces(ask=8.0, cleanup=20.0)

    def __init__(self, settings: BackupsSettings) -> None:
        self._settings = settings

    def title(self, payload: VerifyPayload) -> str:
        return f"verify {payload.backup or f'the newest backup of {payload.source}'}"

    def coalesce_key(self, payload: VerifyPayload) -> str:
        return f"{payload.backup or payload.source} of {payload.target}"

    def concurrency(self, payload: VerifyPayload) -> Concurrency:
        return Concurrency(f"verify {payload.source or payload.backup.partition('/')[0]}")

    def run(self, ctx: BlockingContext, payload: VerifyPayload) -> Outcome:
        shelf, manifest = wanted(self._settings, payload)
        stop = Stop(ctx.cancelled)
        try:
            differences = self._differences(ctx, stop, shelf, manifest)
        except Damaged as error:
            differences = [str(error)]
        except Stopped:
            return Failed("interrupted: nothing was proved")
        except NoRoom as error:
            return Failed(str(error))
        except Trouble as error:
            return Retry(str(error))
        return _judged(ctx, shelf, manifest, differences)

    async def cleanup(self, ctx: Context, payload: VerifyPayload) -> None:
        """What an attempt that was killed could not remove."""
        await asyncio.to_thread(self._remove_scratch, ctx.task.id, ctx.task.attempt, payload)

    def _differences(self, ctx: BlockingContext, stop: Stop, shelf: Shelf, manifest: Manifest) -> list[str]:
        folder = shelf.folder(manifest.stamp)
        archive, index = folder / manifest.file, folder / INDEX
        holds = manifest.holds
        server = self._server(manifest.source) if isinstance(holds, Database) else None
        ctx.stage("checking the checksum")
        check_stored(archive, manifest.stored, manifest.sha256, Meter(ctx, stop, manifest.stored).heed)
        ctx.step(f"{manifest.backup} on {shelf.target}: {size(manifest.stored)}, and the SHA-256 is right")
        if isinstance(holds, Database):
            assert server is not None
            return restore_database(ctx, stop, server, self._settings.pg_bin, archive, manifest)
        check_stored(index, None, holds.index_sha256, lambda _: stop.check())
        return restore_tree(ctx, stop, self._settings.scratch, archive, index, manifest)

    def _server(self, name: str) -> Login:
        """Where its restore is tried.  Raises Rejected."""
        source = self._settings.sources.get(name)
        own = source.verify_dsn_file if isinstance(source, PostgresSource) else ""
        path = own or self._settings.verify_dsn_file
        if not path:
            raise Rejected(
                f"no server to restore {name} on: set plugins.backups.verify_dsn_file (or that of the source) to a "
                "file with the DSN of one where databases may be made and dropped"
            )
        return read_login(path, f"sources.{name}.verify_dsn_file" if own else "verify_dsn_file")

    def _remove_scratch(self, task: int, attempt: int, payload: VerifyPayload) -> None:
        try:
            _, manifest = wanted(self._settings, payload)
            server = self._server(manifest.source) if isinstance(manifest.holds, Database) else None
        except Rejected:
            return
        if server is not None:
            drop_database(server, database_name(task, attempt))
        remove_folder(self._settings.scratch, folder_name(task, attempt))


def _judged(ctx: BlockingContext, shelf: Shelf, manifest: Manifest, differences: list[str]) -> Outcome:
    """The verdict, written into the manifest, told, and returned."""
    verified = Verified(datetime.now(UTC), not differences, ctx.task.id, differences[:_KEPT])
    try:
        shelf.note(replace(manifest, verified=verified))
    except OSError as error:
        ctx.step(f"the verdict can't be kept beside {manifest.backup}: {error.strerror}")
    result: dict[str, Any] = {"backup": manifest.backup, "target": shelf.target, "verified": not differences}
    if not differences:
        ctx.step(f"{manifest.backup} is proved: everything is as the manifest says")
        return Success(result)
    for difference in differences[:_TOLD]:
        ctx.step(difference)
    more = f", and {len(differences) - 1:,} more" if len(differences) > 1 else ""
    return Failed(f"{manifest.backup} is NOT as it was written: {differences[0]}{more}", result | _first(differences))


def _first(differences: list[str]) -> dict[str, Any]:
    return {"differences": differences[:_KEPT], "differing": len(differences)}
