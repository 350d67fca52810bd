"""The demo, with a real server, real PostgreSQL and real scripts."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.command_line import CommandLine

PLAYED_WITHIN_S = 120
"""It takes 20 s by itself: a database that was away is looked at again after 10 s."""


@pytest.fixture
def windlass(tmp_path: Path) -> Iterator[CommandLine]:
    command_line = CommandLine(WINDLASS_HOME=str(tmp_path / "home"))
    yield command_line
    command_line.end_the_rest()


async def nothing_is_left_of(home: Path, within: float = 20) -> None:
    """The database's keeper ends a moment after the server, its last user."""
    async with asyncio.timeout(within):
        while processes_of(home):  # noqa: ASYNC110 - strangers tell nobody when they end
            await asyncio.sleep(0.05)


def processes_of(home: Path) -> list[str]:
    """Command lines that name this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in command:
            found.append(command)
    return found


async def test_without_a_terminal_it_ends_by_itself_twice_in_a_row(windlass: CommandLine, tmp_path: Path):
    for _ in range(2):
        ended = await windlass.run("demo", within=PLAYED_WITHIN_S)
        assert (ended.code, ended.errors) == (0, "")
        assert "All five ended as they should." in ended.text
        assert "[long]      told to stop at " in ended.text
        assert "MB the server left out" in ended.text
        assert "Attempt 3  Success" in ended.text
        assert "windlass buffer status: database away, 40 buffered, 0 failed." in ended.text
        assert re.search(r"All 60 are there .* s later: in their order, each of them once\.", ended.text)
        assert not (tmp_path / "home" / "windlass.toml").exists()
        assert "generation 1: 8 feeds changed: " in ended.text
        assert "\nCountry US\n" in ended.text
        assert "CC BY 4.0" in ended.text
        await nothing_is_left_of(tmp_path / "home")


async def test_a_configuration_of_somebodys_own_is_kept_and_nothing_is_buffered(windlass: CommandLine, tmp_path: Path):
    config = tmp_path / "home" / "windlass.toml"
    config.parent.mkdir()
    config.write_text("# mine\n")
    process = await windlass.start("demo")
    assert process.stdout is not None
    while b"counted to 1 " not in await process.stdout.readline():
        assert not process.stdout.at_eof()
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert config.read_text() == "# mine\n"
    assert not (tmp_path / "home" / "shop").exists(), "no main database either"


async def test_on_a_terminal_it_stays_up_until_ctrl_c(windlass: CommandLine, tmp_path: Path):
    terminal = await windlass.on_a_terminal("demo")
    await terminal.until(lambda shown: b"stays up until Ctrl-C" in shown, PLAYED_WITHIN_S)
    scripts = ("--filter", 'kind = "ExecuteScript"')
    cards = json.loads((await windlass.run("history", *scripts, "-o", "json")).out)
    assert sorted(card["state"] for card in cards) == ["CANCELED", *["COMPLETED"] * 4]
    terminal.press_ctrl_c()
    assert await terminal.ended() == 0
    assert "Far more output than anybody reads" in terminal.plain
    await nothing_is_left_of(tmp_path / "home")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_stopped_on_its_way_it_leaves_nothing_behind(windlass: CommandLine, tmp_path: Path, number: int):
    process = await windlass.start("demo")
    assert process.stdout is not None
    while b"counted to 1 " not in await process.stdout.readline():
        assert not process.stdout.at_eof()
    process.send_signal(number)
    out, errors = await process.communicate()
    assert process.returncode == 130, (out, errors)
    assert errors == b"\nStopping the server \xe2\x80\xa6\n"
    await nothing_is_left_of(tmp_path / "home")


async def test_killed_it_takes_its_server_along(windlass: CommandLine, tmp_path: Path):
    windlass.environ["WINDLASS_NODE_DRAIN_GRACE"] = "0.5"
    process = await windlass.start("demo")
    assert process.stdout is not None
    while b"counted to 1 " not in await process.stdout.readline():
        assert not process.stdout.at_eof()
    process.kill()
    await process.communicate()
    await nothing_is_left_of(tmp_path / "home")


async def test_a_server_that_cannot_start_is_told_with_its_own_words(windlass: CommandLine, tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "windlass.toml").write_text("[server]\nlissten = 1\n")
    ended = await windlass.run("demo")
    assert ended.code == 3
    assert ended.errors.startswith("error: the server ended at once: ")
    assert "lissten" in ended.errors


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_it_may_not_make_is_told():
    ended = await CommandLine(WINDLASS_HOME="/home-of-nobody").run("demo")
    assert ended.code == 3
    assert "cannot make" in ended.errors
