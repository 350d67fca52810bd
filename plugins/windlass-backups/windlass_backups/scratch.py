"""Places for restore tests, which are gone afterwards, whatever happens: databases and folders.

Both carry the task and the attempt in their names, so that what was killed can be cleaned up after.  Whoever uses one
holds on to it (a connection; a lock on the folder), so one that nobody holds is a dead node's, and swept.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql

from windlass_backups.login import Login
from windlass_backups.snapshot import prepare

# The server itself refuses to drop one that is in use, but only after five seconds of waiting.
_UNUSED = """
select d.datname from pg_database d where d.datname like 'windlass_verify_%'
  and not exists (select from pg_stat_activity a where a.datid = d.oid)
"""

_DATABASE = re.compile(r"windlass_verify_\d+_\d+")
_FOLDER = re.compile(r"windlass-verify-\d+-\d+")


def database_name(task: int, attempt: int) -> str:
    return f"windlass_verify_{task}_{attempt}"


@contextmanager
def scratch_database(server: Login, name: str) -> Iterator[tuple[Login, psycopg.Connection]]:
    """An empty database, and the connection that holds it.  Raises Trouble."""
    try:
        with server.connected() as admin:
            sweep_databases(admin)
            admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        scratch = server.to(name)
        with scratch.connected() as holding:
            prepare(holding)
            yield scratch, holding
    finally:
        drop_database(server, name)


def sweep_databases(admin: psycopg.Connection) -> None:
    """Drop those that nobody is connected to."""
    for (name,) in admin.execute(_UNUSED).fetchall():
        if _DATABASE.fullmatch(name):
            with suppress(psycopg.Error):  # it came into use, or is somebody else's
                admin.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))


def drop_database(server: Login, name: str) -> None:
    """It is gone afterwards, whoever is connected to it.  Raises Trouble."""
    with server.connected() as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def folder_name(task: int, attempt: int) -> str:
    return f"windlass-verify-{task}-{attempt}"


@contextmanager
def scratch_folder(within: str, name: str) -> Iterator[Path]:
    """An empty folder that nobody else may enter.  Raises OSError."""
    place = Path(within or tempfile.gettempdir())
    sweep_folders(place)
    folder = place / name
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield folder
    finally:
        remove_folder(within, name)
        os.close(descriptor)


def sweep_folders(place: Path) -> None:
    """Remove those that nobody holds."""
    for folder in place.glob("windlass-verify-*"):
        if _FOLDER.fullmatch(folder.name) and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def remove_folder(within: str, name: str) -> None:
    shutil.rmtree(Path(within or tempfile.gettempdir()) / name, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_uid == os.geteuid()
    except OSError:
        return False
    finally:
        os.close(descriptor)
