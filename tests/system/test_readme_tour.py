"""The README's commands, run one after another in one shell, exactly as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meta.house import ROOT

SET_UP = {"make demo", "make test"}


def typed(readme: str) -> list[str]:
    """What stands behind a `$ ` prompt in the README's console blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if line not in SET_UP]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like a fresh checkout after its set-up, with an environment that the tour may install into."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    environment = tmp_path / ".venv"
    ours = Path(sys.prefix)
    site = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (environment / site / "ours.pth").write_text(f"import site; site.addsitedir({str(ours / site)!r})\n")
    command = environment / "bin" / "windlass"
    command.write_text((ours / "bin" / "windlass").read_text().replace(str(ours), str(environment)))
    command.chmod(0o755)
    shutil.copytree(ROOT / "docs" / "tour", tmp_path / "docs" / "tour")
    return tmp_path


def test_the_tour_runs_as_it_is_written(checkout: Path) -> None:
    shell = ["set -e"]
    for line in typed((ROOT / "README.md").read_text("utf-8")):
        shell.append(f"echo {shlex.quote(line)} >&2")
        shell.append(line)
        if line.endswith("&"):
            shell.append(f"until {' '.join(line.split()[:1])} active; do sleep 0.1; done")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINDLASS_", "VIRTUAL_ENV"))}
    environ = {**kept, "WINDLASS_HOME": str(checkout / "home"), "WINDLASS_SERVER_LISTEN": "127.0.0.1:0"}
    out_file, err_file = checkout / "out", checkout / "err"
    with out_file.open("w") as out, err_file.open("w") as err:
        command = ["bash", "-c", "\n".join([*shell, "kill %%", "wait"])]
        tour = subprocess.Popen(command, cwd=checkout, env=environ, stdout=out, stderr=err, start_new_session=True)
    try:
        code = tour.wait(timeout=60)
    finally:
        if tour.poll() is None:
            os.killpg(tour.pid, signal.SIGKILL)
            tour.wait()
            print(err_file.read_text())
    assert code == 0, err_file.read_text()
    shown = out_file.read_text()
    assert "number 5" in shown
    assert "refused, and not tried again" in shown
    assert "enough slept" in shown
    assert "ok   server" in shown
    assert "Pool default was paused by" in shown
    assert "would interrupt 2 tasks" in shown
    assert "By hand" in shown
    assert "Pools\n" in shown


def test_the_readmes_plugin_is_the_one_that_is_installed() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = readme.partition("<!-- greet.py -->")[2].partition("<!-- /greet.py -->")[0].strip()
    plugin = (ROOT / "docs" / "tour" / "greet" / "greet.py").read_text("utf-8")
    assert shown == f"```python\n{plugin}```"
