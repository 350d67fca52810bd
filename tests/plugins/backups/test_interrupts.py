"""What an interrupt, a killed worker and a killed server leave behind: nothing, or what the next run removes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import windlass_backups
from psycopg.conninfo import conninfo_to_dict
from windlass.testing import Harness, Rung

from tests.plugins.backups.place import processes, under_way, warm
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
WITHIN = 60
SLEEPS = "sleep 600 & echo started >&2; wait"
HANGS = "trap '' TERM; sleep 600 & echo started >&2; wait; sleep 600"
SLOW = {"level": 19}
"""At that level zstd takes ten seconds for what `big` makes."""

NODE = """
import asyncio, json, sys
import windlass_backups
from psycopg.conninfo import conninfo_to_dict
from windlass.testing import Harness

async def main():
    async with Harness(windlass_backups, settings=json.loads(sys.argv[1])) as harness:
        await harness.run(sys.argv[2], {"source": "main"}, within=60)

asyncio.run(main())
"""


@pytest.fixture
def big(database: str) -> None:
    """Thirty megabytes more that don't compress well."""
    rows = "select n, (select string_agg(md5(n::text || m::text), '') from generate_series(1, 32) m)"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"create table big as {rows} from generate_series(1, 30000) n".encode())


def with_more(settings, **more):
    return {"backups": settings["backups"] | more}


def written(place) -> int:
    """Bytes of the archive that is being written."""
    return sum(path.stat().st_size for path in place.disk.glob("main/.*.partial/main.*.zst"))


@pytest.fixture
def dumping(postgres: str) -> Callable[[], list[str]]:
    """The names of all processes that were told where this session's server is."""
    mark = f"PGHOST={conninfo_to_dict(postgres)['host']}"
    return lambda: [process.name for process in processes(mark)]


@pytest.mark.parametrize("moment", ["connecting", "counting rows", "dumping"])
async def test_an_interrupt_at_any_stage_leaves_nothing(place, main, big, moment, dumping):
    async with Harness(windlass_backups, settings=with_more(main, **SLOW)) as harness:
        run = await harness.run("Backup", {"source": "main"}, interrupt_at=moment, within=WITHIN)
    run.assert_canceled(by=Rung.ASKED)
    assert "nothing of this backup is kept" in run.message
    assert place.shelf("main") == []
    assert dumping() == []


async def test_an_interrupt_in_the_middle_of_a_dump_ends_it_and_removes_what_was_written(place, main, big, dumping):
    async with Harness(windlass_backups, settings=with_more(main, **SLOW)) as harness:
        await warm(harness)
        async with under_way(harness, "Backup", interrupt_after=1.5) as running:
            await eventually(lambda: written(place) > 100_000 and "pg_dump" in dumping())
            run = await running
    run.assert_canceled(by=Rung.ASKED)
    assert run.progress[-1].current > 0
    assert run.seconds < 1.5 + 3.0
    assert (place.shelf("main"), dumping()) == ([], [])


async def test_a_pg_dump_that_ignores_sigterm_ends_with_all_it_started(place, main, dumping):
    settings = with_more(main, pg_bin=[place.programs(pg_dump=HANGS)])
    async with Harness(windlass_backups, settings=settings) as harness:
        await warm(harness)
        run = await harness.run("Backup", {"source": "main"}, interrupt_after=1.5, within=WITHIN)
    run.assert_canceled(by=Rung.ASKED)
    assert run.output["stderr"] == b"started\n"
    assert (place.shelf("main"), dumping()) == ([], [])


async def test_an_interrupt_in_the_middle_of_a_restore_leaves_no_scratch_database(place, main, scratches, dumping):
    settings = with_more(main, pg_bin=[place.programs(pg_restore=SLEEPS)])
    async with Harness(windlass_backups, settings=settings) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
        async with under_way(harness, "VerifyBackup", interrupt_after=1.5) as running:
            await eventually(lambda: scratches() and "pg_restore" in dumping())
            run = await running
    run.assert_canceled(by=Rung.ASKED)
    assert (scratches(), dumping()) == ([], [])
    assert place.manifest("main")["verified"] is None, "an interrupt proves nothing"


async def test_what_a_killed_worker_left_is_cleaned_up_after_it(place, main, big, dumping, postgres):
    slow = with_more(main, **SLOW)
    async with Harness(windlass_backups, settings=slow) as harness, under_way(harness, "Backup") as running:
        await eventually(lambda: written(place) > 100_000)
        kill_the_worker(postgres)
        run = await running
    run.assert_retries("SIGKILL")
    assert (place.shelf("main"), dumping()) == ([], [])
    assert run.cleanups == 1


async def test_the_scratch_database_of_a_killed_worker_is_dropped_after_it(place, main, scratches, dumping, postgres):
    settings = with_more(main, pg_bin=[place.programs(pg_restore=SLEEPS)])
    async with Harness(windlass_backups, settings=settings) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
        async with under_way(harness, "VerifyBackup") as running:
            await eventually(lambda: scratches() and "pg_restore" in dumping())
            kill_the_worker(postgres)
            run = await running
    run.assert_retries("SIGKILL")
    assert (scratches(), dumping()) == ([], [])


def kill_the_worker(postgres: str) -> None:
    """The process that runs the task: the parent of what it started."""
    mark = f"PGHOST={conninfo_to_dict(postgres)['host']}"
    (child,) = [each for each in processes(mark) if each.name in ("pg_dump", "pg_restore")]
    os.kill(child.parent, signal.SIGKILL)


@contextmanager
def server(settings, kind: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process like a server's, which runs a task of this kind."""
    with subprocess.Popen([sys.executable, "-c", NODE, json.dumps(settings), kind], cwd=ROOT) as node:
        try:
            yield node
        finally:
            node.kill()


async def test_after_kill_9_of_the_server_nothing_goes_on_and_the_next_run_cleans_up(place, main, big, dumping):
    with server(with_more(main, **SLOW), "Backup") as node:
        await eventually(lambda: written(place) > 100_000 and "pg_dump" in dumping(), WITHIN)
        node.kill()
    await eventually(lambda: dumping() == [])
    (left,) = place.shelf("main")
    assert left.endswith(".partial")
    (place.disk / "main" / "notes.partial").write_text("somebody's own")
    async with Harness(windlass_backups, settings=main) as harness:
        await warm(harness)  # so that the next task has another number than the dead one
        run = await harness.run("Backup", {"source": "main"}, within=WITHIN)
        listed = await harness.call("list")
    run.assert_succeeded().assert_step("removed 1 unfinished backup that an earlier run left behind")
    assert [each["backup"] for each in listed["backups"]] == [run.result["backup"]]
    assert place.shelf("main") == sorted([run.result["backup"].removeprefix("main/"), "notes.partial"])


async def test_the_scratch_database_of_a_killed_server_is_swept_by_the_next_proof(place, main, scratches, dumping):
    async with Harness(windlass_backups, settings=main) as harness:
        (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
    with server(with_more(main, pg_bin=[place.programs(pg_restore=SLEEPS)]), "VerifyBackup") as node:
        await eventually(lambda: scratches() and "pg_restore" in dumping(), WITHIN)
        node.kill()
    await eventually(lambda: dumping() == [])
    assert len(scratches()) == 1
    async with Harness(windlass_backups, settings=main) as harness:
        (await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)).assert_succeeded()
    assert scratches() == []


async def test_a_scratch_database_that_somebody_uses_is_not_swept(place, main, postgres, scratches):
    name = "windlass_verify_9999_1"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        try:
            with psycopg.connect(postgres, dbname=name):
                async with Harness(windlass_backups, settings=main) as harness:
                    (await harness.run("Backup", {"source": "main"}, within=WITHIN)).assert_succeeded()
                    (await harness.run("VerifyBackup", {"source": "main"}, within=WITHIN)).assert_succeeded()
            assert scratches() == [name]
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


async def test_two_never_write_the_same_backups_at_once(place, main, dumping):
    settings = with_more(main, pg_bin=[place.programs(pg_dump=SLEEPS)])
    async with Harness(windlass_backups, settings=settings) as harness:
        await warm(harness)
        async with under_way(harness, "Backup", interrupt_after=1.5) as first:
            await eventually(lambda: "pg_dump" in dumping())
            second = await harness.run("Backup", {"source": "main"}, within=WITHIN)
            assert len(place.shelf("main")) == 1, "the draft of the first is not taken from it"
            await first
    second.assert_retries("another process is writing a backup of main to disk")
