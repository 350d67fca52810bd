"""The embedded servers when somebody dies: a user, the supervisor, a server, initdb, or all of them at once."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import valkey
from windlass.embedded import EmbeddedError, start
from windlass.embedded.leftovers import claim, holders

from tests.system.test_embedded_rig import (
    checked,
    eventually,
    finish,
    keep,
    kept,
    kill_all_at_once,
    postmaster_started,
    process,
    processes,
    serves,
    user,
)


@contextmanager
def busy_backend(servers):
    """A session that computes and looks at nothing else, so that only a signal ends it. Yields its pid."""
    connection = psycopg.connect(servers.postgres, autocommit=True)

    def compute():
        with suppress(psycopg.OperationalError):
            connection.execute("SELECT count(*) FROM generate_series(1, 1e12)")

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield connection.info.backend_pid
    finally:
        thread.join(20)
        connection.close()


def test_kill_9_of_the_last_user_ends_the_servers(home):
    with user(home) as only:
        assert process(home, "postgres").is_running()
        only.kill()
        only.wait()
        eventually(lambda: not processes(home))


def test_kill_9_of_one_user_leaves_the_servers_to_the_other(home):
    with user(home) as other:
        lease = start(home)
        born = postmaster_started(lease.servers)
        other.kill()
        other.wait()
        assert not lease.lost(timeout=0.1)
        assert postmaster_started(lease.servers) == born
    finish(lease, home)


def told(home: Path) -> str:
    return (home / "log/supervisor.log").read_text()


def test_kill_9_of_the_supervisor_ends_both_servers_and_all_they_do(home):
    lease = start(home)
    keep(lease.servers)
    assert not lease.lost()
    with busy_backend(lease.servers) as backend:
        assert backend in processes(home)
        process(home, "supervisor").kill()
        eventually(lambda: not processes(home))
    assert lease.lost(timeout=5)
    lease.close()

    again = start(home)
    assert again.servers == lease.servers, "clients need not learn another address"
    assert kept(again.servers)
    finish(again, home)


def test_kill_9_of_postgres_is_healed(home):
    with start(home, valkey=False) as lease:
        for _ in range(2):
            born = postmaster_started(lease.servers)
            process(home, "postgres").kill()
            eventually(lambda: serves(lease.servers))
            assert postmaster_started(lease.servers) != born
        assert not lease.lost()
        assert "PostgreSQL ended by itself (-9)" in told(home)
        finish(lease, home)


def test_kill_9_of_valkey_is_healed(home):
    with start(home) as lease:
        keep(lease.servers)
        before = process(home, "valkey-server")
        before.kill()
        eventually(lambda: not before.is_running())
        with start(home) as second:
            # A supervisor that has not noticed yet gives out what was there.
            eventually(lambda: _serves_again(second.servers))
            assert kept(second.servers)
        finish(lease, home)


def _serves_again(servers):
    with suppress(valkey.ConnectionError):
        return kept(servers)
    return False


def test_a_power_loss_leaves_nothing_that_stops_a_start(home):
    lease = start(home)
    keep(lease.servers)
    kill_all_at_once(home)
    # What is left: sockets nobody listens on, and pid files whose number somebody else has by now, as after a reboot.
    assert (home / "run/control.sock").is_socket()
    assert list((home / "run/sockets").iterdir())
    pid_file = home / "postgres/postmaster.pid"
    _, rest = pid_file.read_text().split("\n", 1)
    pid_file.write_text(f"{os.getpid()}\n{rest}")
    (home / "postgres.new-killed").mkdir()
    (home / "postgres.new-killed/PG_VERSION").write_text("18\n")
    lease.close()

    lease = start(home)
    assert kept(lease.servers)
    finish(lease, home)


def test_a_power_loss_leaves_no_folder_in_the_temporary_one(tmp_path):
    with checked(tmp_path / ("long" * 30)) as home:
        lease = start(home, valkey=False)
        folder = (home / "run/sockets").readlink()
        kill_all_at_once(home)
        lease.close()
        with start(home, valkey=False) as lease:
            assert (home / "run/sockets").readlink() == folder, "the address stays the same"
            finish(lease, home)
        assert not folder.exists()


def test_initdb_killed_half_way_leaves_no_data_folder(new_home):
    command = [sys.executable, "-m", "windlass.embedded", str(new_home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        eventually(lambda: list(new_home.glob("postgres.new-*/base/1/*")))
        process(new_home, "supervisor").kill()
        child.kill()
    eventually(lambda: not processes(new_home))
    assert not (new_home / "postgres").exists()

    lease = start(new_home, valkey=False)
    assert serves(lease.servers)
    assert not list(new_home.glob("postgres.new-*"))
    finish(lease, new_home)


def test_a_supervisor_declines_to_end_under_its_users_once(home):
    """A service manager signals all processes of a service at once, and the others need the database to finish."""
    lease = start(home, valkey=False)
    supervisor = process(home, "supervisor")
    supervisor.terminate()
    eventually(lambda: "SIGTERM, 1 users" in told(home))
    assert serves(lease.servers)
    supervisor.terminate()
    assert lease.lost(timeout=10)
    eventually(lambda: not processes(home))
    lease.close()


def test_postgres_told_to_end_by_somebody_else_is_started_again(home):
    with start(home, valkey=False) as lease:
        born = postmaster_started(lease.servers)
        process(home, "postgres").send_signal(signal.SIGINT)
        eventually(lambda: serves(lease.servers) and postmaster_started(lease.servers) != born)
        finish(lease, home)


def test_a_postgres_somebody_else_runs_on_the_folder_is_left_alone(home):
    finish(start(home, valkey=False), home)
    with subprocess.Popen(["sleep", "60"], cwd=home / "postgres") as other:
        (home / "postgres/postmaster.pid").write_text(f"{other.pid}\n")
        with pytest.raises(EmbeddedError, match=f"process {other.pid}.*stop it first"):
            start(home, valkey=False)
        assert (home / "postgres/postmaster.pid").read_text() == f"{other.pid}\n"
        other.kill()


def test_a_process_left_over_is_killed_and_a_bystander_is_not(tmp_path):
    with (
        opened(tmp_path) as locked,
        opened(tmp_path) as unlocked,
        subprocess.Popen(["sleep", "60"], pass_fds=[locked]) as left_over,
        subprocess.Popen(["sleep", "60"], pass_fds=[unlocked]) as bystander,
    ):
        fcntl.flock(locked, fcntl.LOCK_EX)
        os.close(locked)
        assert list(holders(tmp_path)) == [left_over.pid]
        os.close(asyncio.run(claim(tmp_path, patience=0.1)))
        assert left_over.wait(5) == -signal.SIGKILL
        assert bystander.poll() is None
        bystander.kill()


@contextmanager
def opened(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    yield descriptor
    with suppress(OSError):
        os.close(descriptor)


def test_a_user_killed_while_the_servers_start_leaves_nothing(new_home):
    command = [sys.executable, "-m", "windlass.embedded", str(new_home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        eventually(lambda: any("windlass.embedded.supervisor" in cmdline(pid) for pid in processes(new_home)))
        child.kill()
    eventually(lambda: not processes(new_home))
    finish(start(new_home, valkey=False), new_home)


def cmdline(pid: int) -> list[str]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).cmdline()
    return []
