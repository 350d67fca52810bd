"""Every test of scripts gets a mark for its processes and a place for its files, and must leave neither behind."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings
from windlass_scripts.confinement.host import Host

from tests.plugins.scripts.levels import Place
from tests.plugins.scripts.recording import RecordingContext
from tests.plugins.scripts.survivors import gone, marked

GRACE = 0.4


@pytest.fixture(autouse=True)
def mark() -> Iterator[str]:
    """A text that every process of this test's scripts carries in its environment."""
    text = f"mark-{uuid.uuid4().hex}"
    yield text
    assert gone(text), f"processes outlived the test: {marked(text)}"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where private working directories are made; empty again when the test is over."""
    place = tmp_path / "private"
    place.mkdir()
    yield place
    assert os.listdir(place) == [], "a private directory was left behind"


@pytest.fixture
def settings(directory: Path) -> ScriptsSettings:
    """The defaults, but for the Python: it need not lie where the system's programs do, nor be hidden by a sandbox."""
    interpreters = ScriptsSettings().interpreters | {"python3": [os.path.realpath(sys.executable), "-u"]}
    return ScriptsSettings(directory=str(directory), kill_grace=GRACE, interpreters=interpreters)


@pytest.fixture
def handler(settings: ScriptsSettings) -> ExecuteScript:
    return ExecuteScript(settings)


@pytest.fixture
def ctx() -> RecordingContext:
    return RecordingContext()


@pytest.fixture
def asked(mark: str):
    """Makes a payload whose processes carry the mark."""

    def make(script: str | None = None, **fields) -> ExecuteScriptPayload:
        env = {"MARK": mark} | fields.pop("env", {})
        return ExecuteScriptPayload(script=script, env=env, **fields)

    return make


@pytest.fixture(scope="session")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Finds out once what the machine offers, which would cost each test 0.2 s."""
    host = Host(ScriptsSettings(directory=str(tmp_path_factory.mktemp("probe"))))
    yield host
    host.close()


@pytest.fixture
def place(settings: ScriptsSettings, mark: str, shared_host: Host) -> Iterator[Place]:
    """Runs scripts at any level."""
    found = Place(settings, mark, shared_host)
    yield found
    if found.host is not shared_host:
        found.host.close()
