"""PostgreSQL and Valkey for one machine: start, share, stop; where they listen, and what they leave alone."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from windlass.embedded import EmbeddedError, start
from windlass.embedded.bounded_log import BoundedLog
from windlass.embedded.control import connect

from tests.system.test_embedded_rig import (
    connected,
    eventually,
    finish,
    keep,
    kept,
    postmaster_started,
    process,
    processes,
    query,
    serves,
    user,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def sockets(lease) -> Path:
    return Path(str(conninfo_to_dict(lease.servers.postgres)["host"]))


def listening_ports(home) -> list[int]:
    connections = []
    for pid in processes(home):
        with suppress(psutil.NoSuchProcess):  # a backend may end while we look
            connections += psutil.Process(pid).net_connections("inet")
    return sorted({connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN})


def test_the_first_start_gives_a_working_database_and_a_working_valkey(new_home, monkeypatch):
    monkeypatch.setenv("LC_ALL", "POSIX")  # text is UTF-8 and sorted by code point, whatever the machine speaks
    lease = start(new_home)
    assert query(lease.servers, "SHOW server_encoding") == "UTF8"
    assert query(lease.servers, "SELECT 'B' < 'a'")
    assert query(lease.servers, "SHOW timezone") == "UTC"
    assert query(lease.servers, "SELECT current_database()") == "windlass"
    assert str(query(lease.servers, "SHOW server_version")).startswith(lease.servers.postgres_version)
    with connected(lease.servers) as client:
        assert client.ping()
    finish(lease, new_home)


def test_what_was_written_is_there_after_a_stop_and_a_start(home):
    lease = start(home)
    keep(lease.servers)
    finish(lease, home)
    lease = start(home)
    assert kept(lease.servers)
    finish(lease, home)


def test_starts_are_as_quick_as_promised(tmp_path):
    """At most 2 s with initdb, 0.5 s without; a busy machine gets a few tries, and more time."""

    def seconds(home) -> float:
        before = time.monotonic()
        with start(home):
            return time.monotonic() - before

    busy = max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))
    assert any(seconds(tmp_path / f"{attempt}") <= 2.0 * busy for attempt in range(3))
    assert any(seconds(tmp_path / "0") <= 0.5 * busy for _ in range(10))


def test_valkey_is_started_when_it_is_asked_for(home):
    without = start(home, valkey=False)
    assert without.servers.valkey == ""
    assert "valkey" not in {psutil.Process(pid).name() for pid in processes(home)}
    with start(home) as lease, connected(lease.servers) as client:
        assert client.ping()
    finish(without, home)


def test_the_data_are_made_to_last(home):
    with start(home) as lease:
        settings = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"]
        assert {name: query(lease.servers, f"SHOW {name}") for name in settings} == dict.fromkeys(settings, "on")
        with connected(lease.servers) as client:
            wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
            assert {name: dict(client.config_get(name))[name] for name in wanted} == wanted  # type: ignore[arg-type]
        finish(lease, home)


def test_two_users_share_the_servers_until_the_last_leaves(home):
    with user(home) as other:
        lease = start(home)
        born = postmaster_started(lease.servers)
        other.send_signal(signal.SIGINT)
        assert other.wait(10) == 0
        assert postmaster_started(lease.servers) == born
        second = start(home)
        lease.close()
        lease.close()
        assert postmaster_started(second.servers) == born
    finish(second, home)
    assert not serves(second.servers)


def test_first_users_who_come_together_start_one_server(new_home):
    with ThreadPoolExecutor(4) as pool:
        leases = list(pool.map(lambda _: start(new_home), range(4)))
    assert len({postmaster_started(lease.servers) for lease in leases}) == 1
    for lease in leases:
        lease.close()
    eventually(lambda: not processes(new_home))


def test_users_who_come_as_the_last_one_leaves_get_servers(home):
    """Whether these are still the old ones or already new ones."""

    def come(pause: float) -> bool:
        time.sleep(pause)
        with start(home, valkey=False) as lease:
            return serves(lease.servers) and not lease.lost()

    with ThreadPoolExecutor(8) as pool, start(home, valkey=False) as lease:
        coming = [pool.submit(come, number * 0.001) for number in range(8)]
        lease.close(wait=0)
        assert all(visit.result() for visit in coming)
    eventually(lambda: not processes(home))


# A supervisor without servers whose last user leaves; so many turns of its loop later the next one comes.
# Says what that one is told, and whether the supervisor had ended by then.
LATE = """
import asyncio, sys
from pathlib import Path
from windlass.embedded.control import Answer, Request, connect, encode, listen
from windlass.embedded.layout import Layout
from windlass.embedded.supervisor import Supervisor

class NoServers:
    async def open(self, request):
        return Answer()
    async def close(self):
        await asyncio.sleep(0.1)

async def told(user):
    user.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(user, encode(Request()))
    return await asyncio.get_running_loop().sock_recv(user, 1000)

async def main(layout, turns):
    ending = asyncio.create_task(Supervisor(layout, NoServers()).run(listen(layout.run)))
    with connect(layout.run) as last:
        assert await told(last)
    for _ in range(turns):
        await asyncio.sleep(0)
    late = connect(layout.run)
    if late is None:
        return print("nobody listens")
    telling = asyncio.create_task(told(late))
    await asyncio.wait({telling, ending}, return_when=asyncio.FIRST_COMPLETED)
    answered = telling.done() and telling.exception() is None and telling.result() != b""
    await asyncio.wait({ending}, timeout=0.2)
    print(("answered" if answered else "not answered") + (" by one that ends" if ending.done() else ""))

asyncio.run(main(Layout.create(Path(sys.argv[1])), int(sys.argv[2])))
"""


def test_nobody_is_answered_by_a_supervisor_that_ends(tmp_path):
    """The next user comes at each of the moments that the leaving of the last one consists of."""
    commands = [[sys.executable, "-c", LATE, str(tmp_path / f"{turns}"), f"{turns}"] for turns in range(10)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    ends = {child.communicate(timeout=20)[0].strip() for child in children}
    assert "answered by one that ends" not in ends
    assert {"not answered by one that ends", "nobody listens"} <= ends


def present(home: Path) -> socket.socket:
    """A user who is there and has not yet said what it wants."""
    connection = connect(home / "run")
    assert connection is not None
    return connection


def test_a_supervisor_nobody_comes_to_goes_again(home):
    """Its starter was killed between the two."""
    command = [sys.executable, "-m", "windlass.embedded.supervisor", str(home)]
    assert subprocess.run(command).returncode == 0
    eventually((home / "run/control.sock").exists)
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 1, "there is never a second one"
    eventually(lambda: not processes(home))


def test_nothing_listens_beyond_the_sockets_of_a_private_folder(home):
    with start(home) as lease:
        assert listening_ports(home) == []
        folder = sockets(lease)
        assert mode(folder) == 0o700
        assert folder.owner() == Path(f"/proc/{os.getpid()}").owner()
        assert mode(home / "run") == 0o700
        assert {mode(path) for path in folder.iterdir() if path.is_socket()} == {0o700}
        finish(lease, home)
    assert not folder.exists()


def test_no_permission_of_a_folder_that_was_there_changes(tmp_path):
    modes = {tmp_path / "a": 0o711, tmp_path / "a/b": 0o755, tmp_path / "a/b/home": 0o750}
    for folder, permissions in modes.items():
        folder.mkdir()
        folder.chmod(permissions)
    modes[tmp_path] = mode(tmp_path)
    home = tmp_path / "a/b/home"
    finish(start(home), home)
    assert {folder: mode(folder) for folder in modes} == modes
    assert {mode(home / name) for name in ("postgres", "valkey", "run", "log")} == {0o700}


@pytest.mark.parametrize("name", ["long/" * 40 + "home", "comma, quote' per%cent é"], ids=["long", "odd"])
def test_a_home_whose_name_no_socket_could_have_gets_a_private_folder_elsewhere(tmp_path, name):
    home = tmp_path / name
    with start(home) as lease:
        folder = sockets(lease)
        assert folder.parent == Path(tempfile.gettempdir())
        assert mode(folder) == 0o700
        assert (home / "run/sockets").readlink() == folder
        assert serves(lease.servers)
        with connected(lease.servers) as client:
            assert client.ping()
        finish(lease, home)
    assert not folder.exists()


def test_over_tcp_postgres_is_on_loopback_only_and_wants_its_password(home):
    with start(home, tcp=True) as lease:
        told = conninfo_to_dict(lease.servers.postgres)
        assert told["host"] == "127.0.0.1"
        assert listening_ports(home) == [int(str(told["port"]))]
        assert query(lease.servers, "SHOW listen_addresses") == "127.0.0.1"
        assert (
            query(
                lease.servers,
                "SELECT count(*)::int FROM pg_hba_file_rules WHERE auth_method = 'trust' AND type <> 'local'",
            )
            == 0
        )
        secret = Path(str(told["passfile"]))
        assert mode(secret) == 0o600
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(lease.servers.postgres, passfile="/dev/null")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(lease.servers.postgres, password="windlass")
        before = secret.read_text()
        with start(home) as by_socket:
            assert serves(by_socket.servers)
        with start(home, tcp=True) as again:
            assert serves(again.servers)
        assert secret.read_text() == before
        finish(lease, home)


def test_settings_apply_and_those_who_want_others_are_told(home):
    with start(home, valkey=False, settings={"work_mem": "7MB", "max_connections": "33"}) as lease:
        assert query(lease.servers, "SHOW work_mem") == "7MB"
        assert query(lease.servers, "SHOW max_connections") == "33"
        with pytest.raises(EmbeddedError, match=r"already run .* another work_mem"):
            start(home, valkey=False, settings={"work_mem": "8MB"})
        with pytest.raises(EmbeddedError, match=r"already run .* another tcp"):
            start(home, valkey=False, tcp=True)
        with start(home, valkey=False, settings={"work_mem": "7MB"}):
            pass
        finish(lease, home)


def test_a_setting_that_cannot_be_is_an_error_at_once_and_the_next_start_works(home):
    with pytest.raises(EmbeddedError, match="listen_addresses"):
        start(home, settings={"listen_addresses": "*"})
    with pytest.raises(EmbeddedError, match=r"PostgreSQL ended while starting: .*FATAL.*no_such_setting"):
        start(home, settings={"no_such_setting": "1"}, timeout=10)
    finish(start(home), home)


def test_a_start_that_failed_settles_nothing_for_the_next_user_of_the_same_supervisor(home):
    subprocess.run([sys.executable, "-m", "windlass.embedded.supervisor", str(home)], check=True)
    eventually((home / "run/control.sock").exists)
    with present(home):
        with pytest.raises(EmbeddedError, match="no_such_setting"):
            start(home, settings={"no_such_setting": "1"})
        with start(home) as lease, connected(lease.servers) as client:
            assert serves(lease.servers)
            assert client.ping()
    eventually(lambda: not processes(home))


def test_the_environment_of_libpq_users_does_not_matter(home, monkeypatch):
    for name, value in {"PGPORT": "6543", "PGDATA": "/nowhere", "PGUSER": "eve", "PGDATABASE": "no", "TZ": "x"}.items():
        monkeypatch.setenv(name, value)
    with start(home, valkey=False) as lease:
        assert serves(lease.servers)
        finish(lease, home)


def test_another_database_has_its_dsn(home):
    with start(home, valkey=False) as lease:
        query(lease.servers, "DROP DATABASE IF EXISTS other")
        query(lease.servers, "CREATE DATABASE other TEMPLATE windlass")
        with psycopg.connect(lease.servers.database("other")) as connection:
            assert connection.info.dbname == "other"
        finish(lease, home)


def test_the_command_for_developers_prints_where_they_are_and_ends_with_ctrl_c(home):
    command = [sys.executable, "-m", "windlass.embedded", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        postgres, url, _ = (child.stdout.readline().strip() for _ in range(3))
        with psycopg.connect(postgres.partition("  ")[2]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert url.endswith("valkey.sock")
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 0
    assert not (home / "postgres/postmaster.pid").exists(), "it waits until they have stopped"


def test_a_home_that_cannot_be_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="choose another data directory"):
        start(tmp_path / "file/home")


def test_logs_say_what_happened_and_stay_bounded(home):
    finish(start(home), home)
    assert "ready to accept connections" in (home / "log/postgres.log").read_text()
    assert "Ready to accept connections" in (home / "log/valkey.log").read_text()
    log = BoundedLog(home / "log/loud.log", largest=1000)
    for number in range(100):
        log.append(f"{number:04} FATAL\n".encode() * 10)
    kept = list((home / "log").glob("loud*"))
    assert len(kept) == 2
    assert all(path.stat().st_size <= 1000 for path in kept)
    assert log.last_words() == "0099 FATAL"


def test_the_folder_may_be_removed_right_after_the_last_use():
    with tempfile.TemporaryDirectory() as folder, start(Path(folder), valkey=False) as lease:
        query(lease.servers, "CREATE TABLE something AS SELECT generate_series(1, 10000)")
    assert not Path(folder).exists()


def test_the_supervisor_is_nobodys_child_and_in_a_session_of_its_own(home):
    before = psutil.Process().children()  # a pooler that other tests of this session use
    with start(home, valkey=False) as lease:
        supervisor = process(home, "supervisor")
        assert supervisor.ppid() != os.getpid()
        assert os.getsid(supervisor.pid) != os.getsid(0)
        assert psutil.Process().children() == before
        finish(lease, home)
