"""The console that a server brings: there by default, restarted when it dies, gone when the server is."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from windlass_client.discovery import announcements

from tests.system.serving import Home, home_in, wait_for


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_in(tmp_path, WINDLASS_CONSOLE_LISTEN="127.0.0.1:0") as made:
        yield made


def status(url: str, path: str = "/healthz") -> int:
    """What a GET is answered with; 0 when nobody answers."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def child_of(server: int) -> psutil.Process:
    [child] = [one for one in psutil.Process(server).children() if "windlass_console" in one.cmdline()]
    return child


def test_it_lets_in_by_a_link_comes_back_after_a_kill_and_goes_with_its_server(home: Home) -> None:
    server = home.serve()
    [announced] = announcements(home.path)
    wait_for(lambda: status(announced.console) == 200, "the console to answer", 20)
    link = home.run("console", "link")
    assert link.returncode == 0, link.stderr
    assert link.stdout.startswith(announced.console + "/enter/")
    assert status(announced.console, urlsplit(link.stdout.strip()).path) == 303
    first = child_of(server.pid)
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: not first.is_running() and status(announced.console) == 200, "another console", 20)
    second = child_of(server.pid)
    server.kill()
    wait_for(lambda: not second.is_running(), "the console to notice that its server is gone", 20)
    assert status(announced.console) == 0


def test_without_an_address_there_is_none_and_the_command_says_what_to_do(tmp_path: Path) -> None:
    with home_in(tmp_path) as home:
        home.serve()
        [announced] = announcements(home.path)
        assert announced.console == ""
        answer = home.run("console", "link")
        assert (answer.returncode, "windlass console" in answer.stderr) == (3, True)


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("0.0.0.0:0", "console.https"),
        ("nowhere", "host:port"),
        ("127.0.0.1:99999", "host:port"),
        ("192.0.2.1:80", "console.https"),
    ],
)
def test_an_address_that_would_show_tokens_or_is_none_is_refused(home: Home, listen: str, words: str) -> None:
    home.environ["WINDLASS_CONSOLE_LISTEN"] = listen
    answer = home.run("config", "check")
    assert (answer.returncode, words in answer.stderr) == (1, True), answer.stderr
    alone = home.run("console", "--listen", listen)
    assert alone.returncode == 3
