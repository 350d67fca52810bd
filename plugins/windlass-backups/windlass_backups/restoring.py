"""The restore test of a database: into a scratch database, whose rows are then counted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from windlass import BlockingContext, Rejected

from windlass_backups.child import running
from windlass_backups.dumping import counted
from windlass_backups.login import Login
from windlass_backups.manifest import Database, Manifest
from windlass_backups.packing import CHUNK, unpacking
from windlass_backups.programs import Programs, fitting, installed
from windlass_backups.scratch import database_name, scratch_database
from windlass_backups.snapshot import count_rows
from windlass_backups.stopping import Meter, Stop
from windlass_backups.trouble import Damaged, Trouble

# Whom things belong to, and who may use them, is not what is proved; nor must a copy begin to replicate.
_PLAINLY = (
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-comments",
)


def restore_database(
    ctx: BlockingContext, stop: Stop, server: Login, pg_bin: Sequence[str], archive: Path, manifest: Manifest
) -> list[str]:
    """What differs from the manifest; nothing: it is proved.  Raises Rejected, Damaged, Trouble, Stopped."""
    holds = manifest.holds
    assert isinstance(holds, Database)
    programs = fitting(installed(pg_bin), _major(holds.dump_version), f"the dump {manifest.backup}")
    name = database_name(ctx.task.id, ctx.task.attempt)
    with scratch_database(server, name) as (scratch, connection):
        _check_version(connection, server, holds)
        ctx.stage("restoring")
        complaints = _restore(ctx, stop, scratch, programs, archive, manifest.raw)
        ctx.step(f"restored into {name} at {server.server}, which is dropped again", errors=len(complaints))
        ctx.stage("counting rows")
        with stop.ending(connection.cancel_safe):
            found = count_rows(connection, ctx.progress)
        ctx.step(f"{counted(found)} were restored; the manifest says {counted(holds.tables)}")
    return [*complaints, *differing(holds.tables, found)]


def differing(wanted: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """Where two counts of rows by table differ, in words."""
    lines = []
    for table, rows in wanted.items():
        if table not in found:
            lines.append(f"{table} is missing; the manifest says {rows:,} rows")
        elif found[table] != rows:
            lines.append(f"{table} has {found[table]:,} rows; the manifest says {rows:,}")
    return lines + [f"{table} is not in the manifest" for table in found.keys() - wanted.keys()]


def _restore(
    ctx: BlockingContext, stop: Stop, scratch: Login, programs: Programs, archive: Path, raw: int
) -> list[str]:
    """What pg_restore complained of.  It goes on after an error, so that all of them are told."""
    command = [programs.pg_restore, "--no-password", f"--dbname={scratch.environment['PGDATABASE']}", *_PLAINLY]
    meter, fed = Meter(ctx, stop, raw), 0
    with unpacking(archive) as file, running(ctx, command, scratch, feeds=True) as child, stop.ending(child.end):
        # It may end before it has read all; why, it says itself.
        with suppress(BrokenPipeError):
            while data := file.read(CHUNK):
                meter.heed(fed)
                fed += len(data)
                child.stdin.write(data)
            child.stdin.close()
        failure = child.wait()
    complaints = [line for line in child.complaints if "error:" in line]
    if failure and not complaints:
        raise Trouble(f"pg_restore {failure}")
    if not failure and fed != raw:
        raise Damaged(f"{archive.name} holds {fed} bytes of archive; the manifest says {raw}")
    ctx.progress(raw, raw)
    return complaints


def _check_version(connection: psycopg.Connection, server: Login, holds: Database) -> None:
    here, there = connection.info.server_version // 10_000, _major(holds.server_version)
    if here < there:
        raise Rejected(
            f"verify_dsn_file: {server.server} is PostgreSQL {here}, and can't take a dump of PostgreSQL {there}; "
            "name a server of that version or newer"
        )


def _major(version: str) -> int:
    """18 of "18.6" and of "18beta1"."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0
