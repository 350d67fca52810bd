"""The plugin at the kernel's door: its kinds, who may enqueue them, its settings, the contract of handlers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from windlass import Role
from windlass.testing import Harness, check_handler_keeps_contract
from windlass_hosts import HostFacts, HostsSettings, Ping, PushFile

from tests.plugins.hosts.conftest import Open


async def test_what_changes_a_host_is_for_operators_and_looking_is_for_submitters(opened: Open) -> None:
    async with opened() as harness:
        roles = {name: handler.role for name, handler in harness.kinds.items()}
    assert roles == {
        "HostFacts": Role.SUBMITTER,
        "Ping": Role.SUBMITTER,
        "RestartUnit": Role.OPERATOR,
        "PushFile": Role.OPERATOR,
    }


def test_nothing_may_be_changed_unless_the_operator_says_so() -> None:
    settings = HostsSettings()
    assert (settings.units, settings.directories) == ([], [])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"units": ["nginx"]}, "units: 'nginx' is no unit; give its whole name, such as nginx.service"),
        ({"units": ["--now.service"]}, "units: '--now.service' is no unit"),
        ({"directories": ["etc/nginx"]}, "directories: 'etc/nginx' must be an absolute path"),
        ({"directories": ["/"]}, "directories: '' in '/' is not taken"),
        ({"directories": ["/etc/../root"]}, "directories: '..' in"),
        ({"directories": ["/etc/"]}, "directories: '' in '/etc/' is not taken"),
        ({"ping_networks": ["10.0.0.1/8"]}, "ping_networks: 10.0.0.1/8 has host bits set"),
        ({"systemctl": "-x"}, "systemctl: name the program"),
        ({"unit_timeout": 0}, "unit_timeout must be above 0"),
        ({"steady": -1}, "steady must be from 0"),
        ({"unit": []}, "unknown field `unit`"),
    ],
)
def test_a_mistake_in_the_configuration_is_told(section: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(section, HostsSettings)
    assert message in str(refused.value)


def test_looking_keeps_the_contract_of_handlers() -> None:
    check_handler_keeps_contract(HostFacts(), [{}], misfits=[{"host": "web-01"}], real_time=True)


def test_pushing_keeps_the_contract_of_handlers(place: Path) -> None:
    handler = PushFile(HostsSettings(directories=[str(place)]))
    payload = {"path": f"{place}/a", "content": "x"}
    misfits = [{"path": "/etc/passwd", "content": "x"}, {"path": f"{place}/a"}, payload | {"mode": "rw-r--r--"}]
    check_handler_keeps_contract(handler, [payload], misfits=misfits, real_time=True)


def test_pinging_keeps_the_contract_of_handlers() -> None:
    payload = {"address": "127.0.0.1", "count": 2, "interval": 0.2}
    misfits = [{"address": "10.0.0"}, {"address": "127.0.0.1", "count": 0}, {"address": "224.0.0.1"}]
    check_handler_keeps_contract(Ping(HostsSettings()), [payload], misfits=misfits, real_time=True)


def proc(name: str) -> str:
    return Path("/proc", name).read_text().strip()


async def test_the_facts_of_a_host_are_those_of_this_machine(opened: Open) -> None:
    async with opened() as harness:
        run = await harness.run("HostFacts")
    run.assert_succeeded().assert_stages("looking at the system", "looking at disks")
    facts = run.result
    assert facts["name"] == proc("sys/kernel/hostname")
    assert facts["kernel"].split()[1] == proc("sys/kernel/osrelease")
    total = next(line for line in proc("meminfo").splitlines() if line.startswith("MemTotal"))
    assert facts["memory"]["total"] == int(total.split()[1]) * 1024
    assert 0 < facts["uptime"] <= float(proc("uptime").split()[0]) + 60
    assert facts["cpus"]["logical"] >= 1
    assert len(facts["load"]) == 3
    assert all(disk["used"] <= disk["total"] for disk in facts["disks"])
    assert "hosts" in facts["versions"]["plugins"]
    assert run.steps[0].text.startswith(f"{facts['name']}: {facts['os']}, ")
    assert "memory available" in run.steps[0].text


async def test_a_task_runs_although_no_settings_are_written() -> None:
    import windlass_hosts

    async with Harness(windlass_hosts) as harness:
        (await harness.run("RestartUnit", {"unit": "nginx.service"})).assert_failed("allowed there: none at all")
        (await harness.run("PushFile", {"path": "/tmp/a", "content": ""})).assert_failed("allowed: none at all")
