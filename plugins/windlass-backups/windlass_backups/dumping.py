"""One backup of a PostgreSQL database: counted and dumped in the same snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from windlass import BlockingContext

from windlass_backups.child import running
from windlass_backups.login import Login
from windlass_backups.manifest import Database
from windlass_backups.packing import CHUNK, Packer, packing, size
from windlass_backups.programs import Programs, fitting, installed
from windlass_backups.snapshot import Snapshot, snapshot
from windlass_backups.stopping import Meter, Stop
from windlass_backups.trouble import Trouble


def dump(
    ctx: BlockingContext, stop: Stop, login: Login, pg_bin: Sequence[str], path: Path, level: int
) -> tuple[Packer, Database]:
    """Write the dump to `path`, whole and safe on the disk.  Raises Rejected, Trouble, NoRoom, Stopped."""
    ctx.stage("connecting")
    with snapshot(login, stop) as held:
        programs = fitting(installed(pg_bin), held.major, login.where)
        ctx.step(
            f"PostgreSQL {held.version}, {login.where}: {size(held.database_size)} on its disk",
            pg_dump=programs.version,
        )
        ctx.stage("counting rows")
        tables = held.count_rows(ctx.progress)
        ctx.step(f"{counted(tables)}, in the snapshot that is dumped")
        ctx.stage("dumping")
        packer = _dump(ctx, stop, login, programs, held, path, level)
    return packer, Database(held.database, held.version, programs.version, tables)


def counted(tables: dict[str, int]) -> str:
    """ "1,204 rows in 3 tables"."""
    rows = sum(tables.values())
    return f"{rows:,} row{'s' * (rows != 1)} in {len(tables):,} table{'s' * (len(tables) != 1)}"


def _dump(
    ctx: BlockingContext, stop: Stop, login: Login, programs: Programs, held: Snapshot, path: Path, level: int
) -> Packer:
    # What is compressed twice grows: zstd does better on the plain archive.
    command = [
        programs.pg_dump,
        "--format=custom",
        "--compress=0",
        "--no-password",
        "--lock-wait-timeout=60s",
        f"--snapshot={held.number}",
    ]
    meter = Meter(ctx, stop, held.database_size)
    with packing(path, level, meter.heed) as packer, running(ctx, command, login) as child, stop.ending(child.end):
        while data := child.stdout.read(CHUNK):
            packer.write(data)
        if failure := child.wait():
            raise Trouble(f"pg_dump {failure}")
    ctx.progress(packer.raw, packer.raw)
    return packer
