"""The files of deploy/, as far as they can be judged without a machine to deploy to."""

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from windlass.config import NodeConfig

from tests.meta.house import ROOT

UNIT = ROOT / "deploy" / "windlass.service"
UNITS = [UNIT, ROOT / "deploy" / "windlass-agent.service"]
EVERY_UNIT = pytest.mark.parametrize("source", UNITS, ids=lambda unit: unit.stem)
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
NEEDS_SYSTEMD = pytest.mark.needs(program="systemd-analyze", package="systemd")


def verified(unit: Path) -> str:
    """What systemd itself has to say about a unit."""
    ran = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    about = [line for line in ran.stderr.splitlines() if unit.name in line]
    return "\n".join(about) or ("" if ran.returncode == 0 else ran.stderr)


@EVERY_UNIT
@NEEDS_SYSTEMD
def test_systemd_understands_every_line_of_the_unit(tmp_path, source):
    unit = tmp_path / source.name
    # The program need not be installed here.
    unit.write_text(source.read_text().replace("/opt/windlass/bin/windlass", sys.executable))
    assert verified(unit) == ""


@NEEDS_SYSTEMD
def test_systemd_understands_what_confinement_adds_to_it(tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/windlass/bin/windlass", sys.executable))
    added = tmp_path / f"{UNIT.name}.d"
    added.mkdir()
    (added / "confinement.conf").write_text((ROOT / "deploy" / "windlass-confinement.conf").read_text())
    assert verified(unit) == ""
    (added / "confinement.conf").write_text("[Service]\nDelegat=pids\n")
    assert "Delegat" in verified(unit)


@NEEDS_SYSTEMD
def test_a_line_that_systemd_does_not_know_is_seen(tmp_path):
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/opt/windlass/bin/windlass", sys.executable)
    unit.write_text(text.replace("KillMode=mixed", "KillMood=mixed"))
    assert "KillMood" in verified(unit)


@EVERY_UNIT
def test_the_unit_waits_for_a_drain_and_starts_again_whatever_ended_it(source):
    service = _service(source)
    assert float(service["TimeoutStopSec"]) > NodeConfig().drain_grace + 10
    assert (service["Type"], service["KillMode"], service["Restart"]) == ("notify", "mixed", "always")


def test_the_servers_unit_reads_its_configuration_again():
    service = _service(UNIT)
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_the_dockerfile_has_no_complaint_of_hadolint():
    hadolint = Path(sys.executable).parent / "hadolint"
    ran = subprocess.run([hadolint, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_shell_script_can_be_read_by_a_plain_shell():
    script = ROOT / "deploy" / "first-start.sh"
    assert subprocess.run(["sh", "-n", str(script)]).returncode == 0
    assert script.stat().st_mode & 0o100


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_has_panels_that_say_what_they_show(file):
    board: dict[str, Any] = json.loads(file.read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    assert [panel["title"] for panel in panels if not panel["description"]] == []
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "no panel covers another"
    for panel in panels:
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")"), target["expr"]
            assert re.fullmatch(r"(\s*\{\{\w+\}\}|[\w %]+)*", target["legendFormat"])


def _service(source: Path) -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(source)
    return unit["Service"]
