"""The main job, as its user sees it: real processes, a real database, real signals."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.system.serving import Home, home_in, wait_for


@pytest.fixture
def home(tmp_path: Path, dsn: str) -> Iterator[Home]:
    """A home whose servers use the test's database."""
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn) as made:
        yield made


def script(folder: Path, text: str) -> str:
    file = folder / "script.sh"
    file.write_text(text)
    return str(file)


def running(home: Home, task: str) -> bool:
    return bool(home.ask("show", task)["task"]["state"] == "RUNNING")


def test_output_appears_while_the_script_runs(home: Home, tmp_path: Path) -> None:
    home.serve()
    seen = tmp_path / "seen"
    lines = "\n".join(f"echo line {n}; [ {n % 20} != 0 ] || sleep 0.01" for n in range(200))
    # It goes on to its end once somebody has seen all of that, and fails when nobody does.
    body = f"#!/bin/sh\n{lines}\nfor _ in $(seq 400); do [ ! -e {seen} ] || exit 0; sleep 0.05; done\nexit 1\n"
    follower = home.start("run-script", "--retries", "1", script(tmp_path, body))
    assert follower.stdout is not None
    assert [follower.stdout.readline() for _ in range(200)] == [f"line {n}\n" for n in range(200)]
    seen.touch()
    assert follower.stdout.read() == ""
    assert follower.wait() == 0


def test_a_task_whose_server_is_killed_runs_again_at_once(tmp_path: Path) -> None:
    with home_in(tmp_path) as home:
        first = home.serve()
        body = "#!/bin/sh\necho began $WINDLASS_ATTEMPT\n[ $WINDLASS_ATTEMPT = 2 ] || sleep 60\n"
        task = home.run("run-script", "--detach", script(tmp_path, body)).stdout.split()[-1]
        wait_for(lambda: running(home, task), "the task to run")
        waiting = home.run("enqueue", "ExecuteScript", "--payload", '{"argv": ["true"]}').stdout.split()[-1]
        first.kill()
        first.wait()
        home.serve()
        took = wait_for(lambda: home.ask("show", task)["state"] == "COMPLETED", "the task to run again")
        assert took < 3
        card = home.ask("show", task)
        assert [(part["number"], part["outcome"]) for part in card["attempts"]] == [(1, "LOST"), (2, "SUCCESS")]
        assert [entry["id"] for entry in home.ask("history")] == [int(waiting), int(task)]
        wait_for(lambda: home.ask("show", waiting)["state"] == "COMPLETED", "the other task")


def test_a_task_outlives_the_death_of_the_embedded_database_and_of_its_supervisor(tmp_path: Path) -> None:
    with home_in(tmp_path) as home:
        home.serve()
        follower = home.start(
            "run-script", script(tmp_path, "#!/bin/sh\nfor n in 1 2 3 4 5 6; do echo $n; sleep 1; done\n")
        )
        assert follower.stdout is not None
        assert follower.stdout.readline() == "1\n"
        os.kill(int((home.path / "postgres" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        assert follower.stdout.readline() == "2\n"
        os.kill(supervisor_of(home.path), signal.SIGKILL)
        assert follower.stdout.read().splitlines() == ["3", "4", "5", "6"]
        assert follower.wait() == 0


def supervisor_of(home: Path) -> int:
    """The pid of the process that holds the embedded servers of this home."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"windlass.embedded.supervisor" in words and str(home).encode() in words:
                return int(process.name)
    raise AssertionError("there is no supervisor")


def test_a_stopped_server_hands_its_work_back_uncounted(home: Home, tmp_path: Path) -> None:
    (tmp_path / "windlass.toml").write_text("[node]\ndrain_grace = 0.5\n")
    first = home.serve("--config", str(tmp_path / "windlass.toml"))
    body = "#!/bin/sh\n[ $WINDLASS_ATTEMPT = 2 ] || sleep 60\n"
    task = home.run("run-script", "--detach", script(tmp_path, body)).stdout.split()[-1]
    wait_for(lambda: running(home, task), "the task to run")
    stopping = time.monotonic()
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=10) == 0
    assert time.monotonic() - stopping < 3.5
    home.serve()
    wait_for(lambda: home.ask("show", task)["state"] == "COMPLETED", "the second server to run it")
    card = home.ask("show", task)
    assert [part["outcome"] for part in card["attempts"]] == ["RETURNED", "SUCCESS"]
    assert card["task"]["retries"] == 1


def test_a_running_task_finishes_within_the_grace_of_a_stop(home: Home, tmp_path: Path) -> None:
    server = home.serve()
    task = home.run("run-script", "--detach", script(tmp_path, "#!/bin/sh\nsleep 1\n")).stdout.split()[-1]
    wait_for(lambda: running(home, task), "the task to run")
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=10) == 0
    home.serve()
    card = home.ask("show", task)
    assert (card["state"], len(card["attempts"])) == ("COMPLETED", 1)


def test_an_interrupt_ends_the_script_and_the_follower_says_so(home: Home, tmp_path: Path) -> None:
    home.serve()
    follower = home.start("run-script", script(tmp_path, "#!/bin/sh\necho up\nsleep 60\n"))
    assert follower.stdout is not None
    assert follower.stdout.readline() == "up\n"
    task = str(home.ask("active")[0]["id"])
    assert home.run("interrupt", task, "--reason", "not today").returncode == 0
    assert follower.wait(timeout=10) == 130
    card = home.ask("show", task)
    assert card["state"] == "CANCELED"
    assert "not today" in card["task"]["message"]


def test_a_failing_script_is_retried_to_its_limit_and_the_exit_code_says_failed(home: Home, tmp_path: Path) -> None:
    home.serve()
    ran = home.run("run-script", "--retries", "2", "--retry-pause", "0.1", script(tmp_path, "#!/bin/sh\nexit 3\n"))
    assert ran.returncode == 1
    [card] = home.ask("history")
    assert (card["state"], card["task"]["retries"]) == ("FAILED", 2)
    assert "exit code 3" in card["task"]["message"]


def test_without_a_server_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    with home_in(tmp_path) as home:
        answer = home.run("active")
    assert answer.returncode == 3
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "windlass serve" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--listen", "0.0.0.0:0"), "not a loopback address"),
        (("--config", "absent.toml"), "there is no file"),
        (("--dsn", "host=127.0.0.1 port=1 user=nobody"), "the database does not answer"),
    ],
)
def test_serve_refuses_in_one_line_what_it_must_not_do(home: Home, arguments: tuple[str, str], said: str) -> None:
    answer = home.run("serve", *arguments)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_unknown_setting_is_refused_with_the_nearest_known_name(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "windlass.toml"
    file.write_text("[server]\nlisten_on = '127.0.0.1:0'\n")
    answer = home.run("serve", "--config", str(file))
    assert answer.returncode == 1
    assert "unknown key 'server.listen_on'; did you mean 'listen'?" in answer.stderr


def test_a_server_whose_usual_port_is_taken_listens_on_another(home: Home) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 7654))
            taken.listen()
        except OSError:
            pass  # somebody else holds it: as good
        home.environ["WINDLASS_SERVER_LISTEN"] = "127.0.0.1:7654"
        server = home.start("serve")
        assert server.stdout is not None
        assert "is ready on 127.0.0.1:" in server.stdout.readline()
        assert home.ask("active") == []


def test_the_token_is_its_owners_and_no_other_token_opens(home: Home) -> None:
    home.serve()
    token = home.path / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    home.environ["WINDLASS_TOKEN"] = "guessed"
    answer = home.run("active")
    assert answer.returncode == 4
    assert len(answer.stderr.strip().splitlines()) == 1
