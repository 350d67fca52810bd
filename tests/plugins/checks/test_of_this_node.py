"""Disks and processes of the node that looks, secrets in its files, and calls that hang."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import NamedTuple

import psutil
import pytest
from windlass import Rejected
from windlass_checks import aside
from windlass_checks.probes import Disk, Process
from windlass_checks.secrets import Secrets
from windlass_checks.sorts.disk import in_units

from tests.plugins.checks.servers import Asked, look
from tests.waiting import eventually


class Usage(NamedTuple):
    total: int
    used: int
    free: int
    percent: float


async def test_a_real_file_system_is_measured(tmp_path):
    found = await look(Disk(path=str(tmp_path), least_free_percent=0))
    assert found.ok
    assert "% free: " in found.verdict
    assert (await look(Disk(path=str(tmp_path / "none")))).verdict == f"{tmp_path}/none: no such file or directory"


@pytest.mark.parametrize(
    ("fields", "ok", "verdict"),
    [
        ({}, True, "12% free: 12.0 GiB of 100.0 GiB"),
        ({"least_free_percent": 15}, False, "12% free: 12.0 GiB of 100.0 GiB; expected at least 15%"),
        ({"least_free_bytes": 20 * 1024**3}, False, "12% free: 12.0 GiB of 100.0 GiB; expected at least 20.0 GiB"),
    ],
)
async def test_room_is_judged_by_percent_and_by_bytes(monkeypatch, fields, ok, verdict):
    """A disk of which 88 % are taken, as psutil says it."""
    monkeypatch.setattr(psutil, "disk_usage", lambda _: Usage(100 * 1024**3, 88 * 1024**3, 12 * 1024**3, 88.0))
    found = await look(Disk(path="/data", **fields))
    assert (found.ok, found.verdict) == (ok, verdict)


def test_sizes_are_said_in_units_of_people():
    sizes = (0, 1023, 1024, 1536, 5 * 1024**4)
    assert [in_units(size) for size in sizes] == ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 TiB"]


async def test_a_file_system_that_hangs_is_told_and_not_asked_again(monkeypatch):
    """An NFS server that is gone holds the call, and no signal ends it."""
    gate, asked = threading.Event(), []

    def hangs(path):
        asked.append(path)
        gate.wait(30)
        return Usage(100, 0, 100, 0.0)

    monkeypatch.setattr(psutil, "disk_usage", hangs)
    monkeypatch.setattr(aside, "HANGS", 0.05)
    try:
        probe = Disk(path="/mnt/nfs", timeout=0.1)
        first = await look(probe)
        assert first.verdict == "nothing within 0.1 s while asking the file system of /mnt/nfs"
        second = await look(probe)
        assert second.verdict == "an earlier look at the file system of /mnt/nfs has not come back"
        assert len(asked) == 1
    finally:
        gate.set()
    await eventually(lambda: not aside._under_way)
    assert (await look(Disk(path="/mnt/nfs"))).ok


async def test_what_a_call_beside_the_loop_raises_is_raised_where_it_is_awaited():
    def fails():
        raise FileNotFoundError(2, "gone")

    with pytest.raises(FileNotFoundError):
        await aside.call("a file", fails)
    assert await aside.call("a number", lambda: 7) == 7


# --- processes


@pytest.fixture
def sleepers(tmp_path):
    """Two processes of a name nobody else has."""
    program = tmp_path / "wl-sleeper-7"
    os.symlink(sys.executable, program)
    code = "import time; open(__import__('sys').argv[1], 'w'); time.sleep(60)"
    started = [subprocess.Popen([program, "-c", code, tmp_path / f"up-{number}"]) for number in range(2)]
    yield started, tmp_path
    for process in started:
        process.kill()
        process.wait()


async def test_processes_are_counted_by_name(sleepers):
    started, place = sleepers
    await eventually(lambda: all((place / f"up-{number}").exists() for number in range(2)))
    name = "wl-sleeper-7"
    assert (await look(Process(name=name))).verdict == f"2 processes named {name}"
    assert (await look(Process(name=name, least=3))).verdict == f"2 processes named {name}; expected at least 3"
    assert (await look(Process(name=name, most=1))).verdict == f"2 processes named {name}; expected at most 1"
    started[0].kill()  # and nobody waits for it: a zombie does not count
    await eventually(lambda: psutil.Process(started[0].pid).status() == psutil.STATUS_ZOMBIE)
    assert (await look(Process(name=name))).verdict == f"1 process named {name}"
    assert (await look(Process(name="wl-nobody-7", least=0, most=0))).ok


async def test_a_process_is_found_by_its_file(tmp_path):
    file = tmp_path / "service.pid"
    file.write_text(f"{os.getpid()}\n")
    assert (await look(Process(pid_file=str(file)))).verdict == f"1 process {os.getpid()} of {file}"
    file.write_text("4194305")
    assert (await look(Process(pid_file=str(file)))).verdict == f"0 processes 4194305 of {file}; expected at least 1"
    file.write_text("pid: 7")
    assert "is not the number of a process" in (await look(Process(pid_file=str(file)))).verdict
    assert (await look(Process(pid_file=f"{file}-none"))).verdict.endswith("no such file or directory")


# --- secrets


@pytest.fixture
def kept(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "prod").mkdir(0o700)
    file = tmp_path / "prod" / "db"
    file.write_text("hunter2\n")
    file.chmod(0o600)
    return tmp_path


def test_a_secret_is_read_from_the_operators_files(kept):
    assert Secrets(str(kept)).read("dsn_secret", "prod/db") == "hunter2"


def test_a_secret_that_others_may_read_or_that_is_no_file_is_refused(kept):
    secrets = Secrets(str(kept))
    (kept / "open").write_text("x")
    (kept / "open").chmod(0o640)
    (kept / "linked").symlink_to(kept / "prod" / "db")
    (kept / "staging").symlink_to(kept / "prod")
    (kept / "empty").touch(0o600)
    os.mkfifo(kept / "pipe", 0o600)
    for name, words in {
        "open": "is open to others",
        "linked": "can't be read on this host",
        "staging/db": "can't be read on this host",
        "prod": "is no file",
        "pipe": "is no file",
        "empty": "is empty",
        "none": "can't be read on this host: No such file",
    }.items():
        with pytest.raises(Rejected, match=f"dsn_secret: {name} {words}"):
            secrets.read("dsn_secret", name)
    with pytest.raises(Rejected, match=r"set plugins\.checks\.secrets_directory on this node"):
        Secrets("").read("dsn_secret", "prod/db")


async def test_an_interrupt_ends_a_look_at_a_disk_that_hangs(monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(psutil, "disk_usage", lambda _: gate.wait(30))
    ctx = Asked()
    asyncio.get_running_loop().call_later(0.05, ctx.cancelled.set)
    try:
        async with asyncio.timeout(3):
            with pytest.raises(AssertionError):
                await look(Disk(path="/mnt/nfs2", timeout=30), ctx=ctx)
    finally:
        gate.set()
