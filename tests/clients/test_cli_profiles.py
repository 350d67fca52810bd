"""`windlass profiles …`, and `--profile` on every command."""

import json
import os
from pathlib import Path

import pytest

from tests.clients.command_line import CommandLine
from tests.clients.fake_server import FakeServer, World

BY_HAND = """# ours
default = "old"   # for now

[old]
address = "127.0.0.1:1"  # nobody there
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "windlass"


@pytest.fixture
def by_hand(folder: Path) -> Path:
    """A file of profiles that somebody wrote."""
    folder.mkdir()
    (folder / "profiles.toml").write_text(BY_HAND)
    return folder / "profiles.toml"


@pytest.fixture
def someone(tmp_path: Path) -> CommandLine:
    """The command line of somebody with a folder for configuration."""
    return CommandLine(XDG_CONFIG_HOME=str(tmp_path))


def text_of(file: Path) -> str:
    return file.read_text()


async def add(someone: CommandLine, server: FakeServer, tmp_path: Path, *options: str) -> None:
    (tmp_path / "token").write_text("from-a-profile\n")
    ended = await someone.run(
        "profiles", "add", "here", server.address, "--token-file", str(tmp_path / "token"), *options
    )
    assert ended.code == 0, ended.errors


@pytest.mark.parametrize("place", ["before", "behind"])
async def test_profile_chooses_the_server_wherever_it_stands(
    someone: CommandLine, server: FakeServer, world: World, tmp_path: Path, place: str
):
    await add(someone, server, tmp_path)
    words = ("--profile", "here", "active") if place == "before" else ("tasks", "list", "--profile", "here")
    ended = await someone.run(*words)
    assert ended.code == 0, ended.errors
    assert world.calls[0].metadata["authorization"] == "Bearer from-a-profile"


async def test_a_profile_on_the_command_line_wins_over_the_environment(
    someone: CommandLine, server: FakeServer, world: World, tmp_path: Path
):
    await add(someone, server, tmp_path)
    someone.environ |= {"WINDLASS_ADDRESS": "127.0.0.1:1", "WINDLASS_TOKEN": "another"}
    assert (await someone.run("active", "--profile", "here")).code == 0
    assert world.calls[0].metadata["authorization"] == "Bearer from-a-profile"


async def test_use_makes_it_the_default_and_leaves_every_other_line(
    someone: CommandLine, server: FakeServer, world: World, tmp_path: Path, by_hand: Path
):
    await add(someone, server, tmp_path)
    ended = await someone.run("profiles", "use", "here")
    assert (ended.code, ended.text) == (0, "profile here: the default now\n")
    text = text_of(by_hand)
    assert text.startswith('# ours\ndefault = "here"\n\n[old]\naddress = "127.0.0.1:1"  # nobody there\n\n[here]\n')
    assert (await someone.run("active")).code == 0
    assert len(world.asked("Tasks.List")) == 1


async def test_add_may_make_it_the_default_at_once(
    someone: CommandLine, server: FakeServer, tmp_path: Path, folder: Path
):
    await add(someone, server, tmp_path, "--default")
    assert text_of(folder / "profiles.toml").startswith('default = "here"\n\n[here]\naddress = ')
    (only,) = json.loads((await someone.run("profiles", "list", "-o", "json")).out)
    assert list(only) == ["name", "address", "tls", "token_file", "is_default"]
    assert (only["name"], only["address"], only["is_default"]) == ("here", server.address, True)
    assert only["token_file"] == str(tmp_path / "token")


async def test_a_list_names_the_file(someone: CommandLine, by_hand: Path):
    ended = await someone.run("profiles", "list")
    header, line = ended.text.splitlines()
    assert header.split() == ["Profile", "Address", "TLS", "Token", "file", "Default"]
    assert line.split() == ["old", "127.0.0.1:1", "no", "yes"]
    assert ended.errors == f"· {by_hand}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "old", "h:1"), 7, "there is a profile old already"),
        (("add", "no good", "h:1"), 2, "is no name for a profile"),
        (("add", "default", "h:1"), 2, "is no name for a profile"),
        (("add", "new", "h:1", "--token-file", "/nowhere/token"), 2, "does not exist"),
        (("use", "new"), 6, 'no profile "new"'),
    ],
)
async def test_what_goes_wrong_changes_nothing(
    someone: CommandLine, by_hand: Path, arguments: tuple[str, ...], code: int, says: str
):
    ended = await someone.run("profiles", *arguments)
    assert (ended.code, ended.errors.count("\n")) == (code, 1)
    assert says in ended.errors
    assert text_of(by_hand) == BY_HAND
    assert os.listdir(by_hand.parent) == ["profiles.toml"]


async def test_a_profile_nobody_knows_is_exit_6_on_every_command(someone: CommandLine):
    ended = await someone.run("history", "--profile", "nowhere")
    assert (ended.code, ended.errors.count("\n")) == (6, 1)
    assert 'no profile "nowhere"' in ended.errors
