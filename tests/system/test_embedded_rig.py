"""What the tests of the embedded servers share, and the proof that it sees what it is to see."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import Signals

import psutil
import psycopg
import pytest
import valkey
from windlass.embedded import Lease, Servers


def eventually(condition: Callable[[], object], within: float = 10.0) -> None:
    """Returns when `condition` holds; fails when it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.01)


def processes(home: Path) -> set[int]:
    """Who has a file or folder below `home` open: the supervisor, the servers, and all they forked; not their users."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            links = [os.readlink(link) for link in (folder / "fd").iterdir()]
            if any(Path(link).is_relative_to(home) for link in links):
                found.add(int(folder.name))
    return found - {os.getpid()}


def process(home: Path, word: str) -> psutil.Process:
    """The one process of `home` whose command line has this word: supervisor, or the name of a server's binary."""
    found = {}
    for pid in processes(home):
        with suppress(psutil.NoSuchProcess):
            command = " ".join(psutil.Process(pid).cmdline()).split(" ")[:4]  # Valkey writes itself one long word
            if any(part == word or part.endswith((f"/{word}", f".{word}")) for part in command):
                found[psutil.Process(pid)] = psutil.Process(pid).ppid()
    # One just forked still bears the name of its parent.
    first = [process for process, parent in found.items() if parent not in {other.pid for other in found}]
    assert len(first) == 1, (word, found)
    return first[0]


def query(servers: Servers, statement: str) -> object:
    """The first column of the first row, on a connection of its own."""
    with psycopg.connect(servers.postgres, autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def serves(servers: Servers) -> bool:
    with suppress(psycopg.OperationalError):
        return query(servers, "SELECT 1") == 1
    return False


def keep(servers: Servers) -> None:
    """Writes something to be found again by `kept`, in each server that runs."""
    query(servers, "DROP TABLE IF EXISTS kept")
    query(servers, "CREATE TABLE kept AS SELECT 42 AS answer")
    if servers.valkey:
        with connected(servers) as client:
            client.delete("kept")
            client.rpush("kept", "a", "b")
            client.execute_command("WAITAOF", 1, 0, 5000)  # appendfsync everysec: the last second may be lost


def kept(servers: Servers) -> bool:
    """Whether all of it is there, exactly once."""
    rows = query(servers, "SELECT array_agg(answer) FROM kept")
    if not servers.valkey:
        return rows == [42]
    with connected(servers) as client:
        return (rows, client.lrange("kept", 0, -1)) == ([42], ["a", "b"])


def postmaster_started(servers: Servers) -> object:
    """Another moment, another server."""
    return query(servers, "SELECT pg_postmaster_start_time()")


@contextmanager
def connected(servers: Servers) -> Iterator[valkey.Valkey]:
    with valkey.Valkey.from_url(servers.valkey, decode_responses=True) as client:
        yield client


@contextmanager
def user(home: Path, *options: str) -> Iterator[subprocess.Popen]:
    """Another process that uses the servers: `python -m windlass.embedded HOME`, once it says that they serve."""
    command = [sys.executable, "-m", "windlass.embedded", str(home), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline().startswith("PostgreSQL "), "it did not start"
            yield child
        finally:
            child.kill()


def kill(pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it went with another of them
            os.kill(pid, Signals.SIGKILL)


def kill_all_at_once(home: Path) -> None:
    """As a power loss does: nobody gets to react. The supervisor is stopped first, so that it starts nothing again."""
    supervisor = process(home, "supervisor")
    supervisor.suspend()
    kill(processes(home))
    eventually(lambda: not processes(home))


def finish(lease: Lease, home: Path) -> None:
    """The last user leaves; nothing of the servers remains."""
    lease.close(wait=10)
    eventually(lambda: not processes(home))


@contextmanager
def checked(home: Path) -> Iterator[Path]:
    """A home folder of which no process may remain: the servers of a test that failed are ended, by pid."""
    try:
        yield home
        eventually(lambda: not processes(home))
    finally:
        kill(processes(home))


def test_the_rig_sees_a_process_that_works_in_a_home(tmp_path):
    with (tmp_path / "file").open("w") as file, subprocess.Popen(["sleep", "60"], stdout=file) as child:
        assert processes(tmp_path) == {child.pid}
        assert process(tmp_path, "sleep").pid == child.pid
        child.kill()
        child.wait()
    assert not processes(tmp_path)


def test_the_rig_ends_what_a_failed_test_leaves(tmp_path):
    with (tmp_path / "file").open("w") as file, subprocess.Popen(["sleep", "60"], stdout=file) as child:
        with pytest.raises(ZeroDivisionError), checked(tmp_path):
            raise ZeroDivisionError
        assert child.wait(5) == -Signals.SIGKILL
