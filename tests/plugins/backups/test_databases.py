"""Backups of real databases: what is written, what is counted, what nobody may see, and what goes wrong."""

from __future__ import annotations

import subprocess

import psutil
import psycopg
import pytest
import windlass_backups
from psycopg.conninfo import make_conninfo
from windlass import Rejected
from windlass.testing import Harness
from windlass_backups.login import login_of, read_login
from windlass_backups.packing import unpacking
from windlass_backups.programs import Programs, fitting, installed
from windlass_backups.restoring import differing

from tests.plugins.backups.conftest import PASSWORD, TABLES
from tests.plugins.backups.place import SERVER_MAJOR, processes, under_way
from tests.waiting import eventually

WITHIN = 60


async def test_a_database_is_dumped_whole_and_proved_by_restoring_it(place, main, scratches):
    async with Harness(windlass_backups, settings=main) as harness:
        run = await harness.run("Backup", {"source": "main"}, within=WITHIN)
        proof = await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)
    run.assert_succeeded().assert_stages("connecting", "counting rows", "dumping", "finishing")
    run.assert_step("PostgreSQL 18.").assert_step("1,059 rows in 6 tables, in the snapshot that is dumped")
    run.assert_step(f"{run.result['backup']} is on disk: ")
    assert (run.result["rows"], run.result["tables"], run.result["target"]) == (1059, 6, "disk")
    manifest = place.manifest("main")
    assert manifest["holds"]["tables"] == TABLES
    assert (manifest["task"], manifest["initiator"]) == (run.task, "the test")
    stored = place.folder("main") / "main.dump.zst"
    assert manifest["stored"] == stored.stat().st_size == run.result["stored"]
    assert [value.current for value in run.progress][-1] == manifest["raw"]
    proof.assert_succeeded({"backup": run.result["backup"], "target": "disk", "verified": True})
    proof.assert_stages("checking the checksum", "restoring", "counting rows").assert_step("is proved")
    verified = place.manifest("main")["verified"]
    assert (verified["ok"], verified["task"], verified["differences"]) == (True, proof.task, [])
    assert scratches() == []


async def test_what_is_stored_opens_with_the_usual_programs(place, main):
    async with Harness(windlass_backups, settings=main) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
    archive = place.folder("main") / "main.dump.zst"
    with unpacking(archive) as file:
        plain = file.read()
    assert b"TABLE DATA public people" in listed_by_pg_restore(plain)
    assert [path.stat().st_mode & 0o777 for path in (archive, archive.parent, archive.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]


def listed_by_pg_restore(archive: bytes) -> bytes:
    command = [fitting(installed(), SERVER_MAJOR, "it").pg_restore, "--list"]
    return subprocess.run(command, input=archive, capture_output=True, check=True).stdout


async def test_the_counts_and_the_dump_are_of_one_moment_while_others_write(place, main, database):
    started, go = place.path / "started", place.path / "go"
    script = f'touch {started}; while [ ! -e {go} ]; do sleep 0.02; done; exec "$REAL" "$@"'
    settings = {"backups": main["backups"] | {"pg_bin": [place.programs(pg_dump=script)]}}
    async with Harness(windlass_backups, settings=settings) as harness:
        async with under_way(harness, "Backup") as running:
            await eventually(started.exists, WITHIN)
            with psycopg.connect(database, autocommit=True) as another:
                another.execute("insert into people select n, 'late' from generate_series(2001, 2005) n")
            go.touch()
            (await running).assert_succeeded()
        proof = await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)
    proof.assert_succeeded()
    assert place.manifest("main")["holds"]["tables"]["public.people"] == 1000


async def test_nobody_sees_the_password_while_a_dump_runs(place, main, database):
    async with Harness(windlass_backups, settings=main) as harness:
        with psycopg.connect(database) as writer:
            # What is counted is not locked: only pg_dump waits.
            writer.execute("lock table only measured in access exclusive mode")
            async with under_way(harness, "Backup") as running:
                await eventually(lambda: waits_for_a_lock(database), WITHIN)
                seen = who_sees_the_password()
                writer.rollback()
                run = await running
    assert seen == []
    assert PASSWORD not in run.assert_succeeded().told() + str(run.result) + str(place.manifest("main"))


def waits_for_a_lock(dsn: str) -> bool:
    query = "select true from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'pg_dump'"
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query).fetchone() is not None


def who_sees_the_password() -> list[list[str]]:
    """Command lines that hold it; and pg_dump must be there, with it in its environment, or this says nothing."""
    knowing = processes(f"PGPASSWORD={PASSWORD}")
    assert any("pg_dump" in process.name for process in knowing), knowing
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if PASSWORD in " ".join(line)]


async def test_a_dump_that_fails_is_tried_again_and_says_its_last_line_without_the_password(place, main):
    script = f'echo "first line" >&2; echo "pg_dump: error: no luck with {PASSWORD} today" >&2; echo half; exit 1'
    settings = {"backups": main["backups"] | {"pg_bin": [place.programs(pg_dump=script)]}}
    async with Harness(windlass_backups, settings=settings) as harness:
        run = await harness.run("Backup", {"source": "main"}, within=WITHIN)
    run.assert_retries("pg_dump failed with exit code 1: pg_dump: error: no luck with *** today", after=60)
    assert run.output["stderr"] == b"first line\npg_dump: error: no luck with *** today\n"
    assert place.shelf("main") == [], "nothing is left of it"
    assert PASSWORD not in run.told()


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (None, 0o600, "can't be read: No such file or directory; it holds one libpq DSN, mode 600"),
        ("host=x", 0o640, "others may read .*: chmod 600 it"),
        (f"host=x passwort={PASSWORD}", 0o600, "holds no libpq DSN: write host="),
        (f"{PASSWORD} host=x", 0o600, "holds no libpq DSN: write host="),
        ("host=x replication=database", 0o600, "replication can't be handed to pg_dump: leave it out"),
        ("\udcff", 0o600, "it is no text"),
    ],
)
async def test_a_dsn_file_that_will_not_do_is_refused_without_telling_what_is_in_it(place, text, mode, message):
    path = place.path / "main.dsn"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
        path.chmod(mode)
    with pytest.raises(Rejected, match=message) as refused:
        read_login(str(path), "sources.main.dsn_file")
    assert str(refused.value).startswith("sources.main.dsn_file: ")
    assert PASSWORD not in str(refused.value)


async def test_a_server_that_is_away_is_asked_again_later(place):
    dsn = f"host=127.0.0.1 port=1 dbname=app user=me password={PASSWORD}"
    settings = place.settings({"main": {"type": "postgres", "dsn_file": place.dsn_file("main", dsn)}})
    async with Harness(windlass_backups, settings=settings) as harness:
        run = await harness.run("Backup", {"source": "main"}, within=WITHIN)
    run.assert_retries("database app at 127.0.0.1:1: ")
    assert PASSWORD not in run.told()
    assert place.shelf("main") == []


# --- versions


def programs(*majors: int) -> list[Programs]:
    return [Programs(f"/bin/{major}", f"{major}.3", major) for major in majors]


@pytest.mark.parametrize(("server", "chosen"), [(14, 15), (15, 15), (16, 17), (17, 17), (18, 18)])
def test_the_lowest_version_that_knows_the_server_dumps_it(server, chosen):
    assert fitting(programs(18, 17, 13, 15), server, "it").major == chosen


def test_no_older_version_dumps_a_server_and_what_to_install_is_said():
    said = r"database app at db is PostgreSQL 18, .* here: 13\.3, 17\.3\. Install postgresql-client-18"
    with pytest.raises(Rejected, match=said):
        fitting(programs(17, 13), 18, "database app at db")
    with pytest.raises(Rejected, match="here: none"):
        fitting([], 18, "database app at db")


def test_programs_that_are_named_come_first_among_equals(place):
    folder = place.programs(major=18)
    assert fitting(installed([folder]), 18, "it").folder == folder
    assert "/nowhere" not in [each.folder for each in installed(["/nowhere"])]


# --- a proof that fails


@pytest.mark.parametrize(
    ("found", "differences"),
    [
        ({"a": 1, "b": 2}, []),
        ({"a": 1, "b": 1}, ["b has 1 rows; the manifest says 2"]),
        ({"a": 1}, ["b is missing; the manifest says 2 rows"]),
        ({"a": 1, "b": 2, "c": 0}, ["c is not in the manifest"]),
    ],
)
def test_counts_are_compared_table_by_table(found, differences):
    assert differing({"a": 1, "b": 2}, found) == differences


async def test_one_byte_that_changed_on_the_disk_is_found(place, main, scratches):
    async with Harness(windlass_backups, settings=main) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
        place.flip_a_byte("main", "main.dump.zst")
        proof = await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)
    proof.assert_failed("is NOT as it was written: the SHA-256 of main.dump.zst is")
    assert proof.result["verified"] is False
    assert place.manifest("main")["verified"]["ok"] is False
    assert scratches() == []


async def test_rows_that_are_not_those_of_the_manifest_are_a_failure_that_names_the_table(place, main, scratches):
    async with Harness(windlass_backups, settings=main) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
        place.change_manifest("main", tables=TABLES | {"public.people": 1001, "public.gone": 5})
        proof = await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)
    proof.assert_failed("public.people has 1,000 rows; the manifest says 1,001, and 1 more")
    proof.assert_step("public.gone is missing; the manifest says 5 rows")
    assert proof.result["differing"] == 2
    assert scratches() == []


async def test_a_restore_that_meets_errors_proves_nothing_and_names_them(place, main, scratches):
    complain = '"$REAL" "$@"; echo "pg_restore: error: could not execute query" >&2; exit 1'
    settings = {"backups": main["backups"] | {"pg_bin": [place.programs(pg_restore=complain)]}}
    async with Harness(windlass_backups, settings=settings) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
        proof = await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)
    proof.assert_failed("pg_restore: error: could not execute query")
    assert scratches() == []


async def test_without_a_server_to_restore_on_it_says_what_to_set(place, main):
    settings = {"backups": {name: value for name, value in main["backups"].items() if name != "verify_dsn_file"}}
    async with Harness(windlass_backups, settings=settings) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
        proof = await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)
    proof.assert_failed("no server to restore main on: set plugins.backups.verify_dsn_file")


async def test_a_dump_of_a_newer_server_is_not_tried_on_an_older_one(place, main, scratches):
    async with Harness(windlass_backups, settings=main) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
        place.change_manifest("main", server_version="99.1")
        proof = await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)
    proof.assert_failed("is PostgreSQL 18, and can't take a dump of PostgreSQL 99")
    assert place.manifest("main")["verified"] is None, "nothing is known of it"
    assert scratches() == []


def test_a_dsn_reaches_a_program_by_its_environment_whole():
    login = login_of("postgresql://me:p%20w@db:5433/app?sslmode=require&keepalives=0", "it")
    wanted = {"PGHOST": "db", "PGPORT": "5433", "PGUSER": "me", "PGPASSWORD": "p w", "PGDATABASE": "app"}
    assert wanted.items() <= login.environment.items()
    assert login.environment["PGSSLMODE"] == "require"
    assert (login.where, login.server) == ("database app at db:5433", "db:5433")
    assert "p w" not in repr(login)
    assert login.to("other").environment["PGDATABASE"] == "other"
    assert make_conninfo(login.to("other").conninfo, password="x").count("dbname=other") == 1
