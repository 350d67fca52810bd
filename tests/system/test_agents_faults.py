"""What goes wrong between an agent and its kernel, and what must not come of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from windlass_proto.v1 import agent_pb2, cluster_service_pb2, task_pb2

from tests.system.hosting import Site, Wire, site_in
from tests.system.serving import wait_for

LEASE = 2.4
COUNTED = "echo $$ >> '{ledger}'; while [ ! -e '{gate}' ]; do sleep 0.05; done; echo done"


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Iterator[Site]:
    with site_in(tmp_path, dsn) as made:
        yield made


@pytest.fixture
def patient(tmp_path: Path, dsn: str) -> Iterator[Site]:
    """With a lease that outlasts the start of a server on a busy machine."""
    with site_in(tmp_path, dsn, WINDLASS_NODE_LEASE="40", WINDLASS_NODE_RENEW="1") as made:
        yield made


class Counted:
    """A script that writes down that it began, and ends when it is let."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.gate = folder / "ledger", folder / "gate"
        self.ledger.touch()
        self.script = COUNTED.format(ledger=self.ledger, gate=self.gate)

    @property
    def begun(self) -> int:
        return len(self.ledger.read_text().splitlines())


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path)


def test_what_a_killed_agent_held_is_recovered_and_counted_as_lost(site: Site, counted: Counted):
    agent = site.ready(site.agent("web-01"))
    task = site.enqueue(counted.script)
    site.running(task)
    wait_for(lambda: counted.begun == 1, "the script to begin")
    agent.kill()
    agent.wait()
    began = time.monotonic()
    back = site.at(task, task_pb2.Task.STATE_PENDING)
    # Its process is proved gone on this machine: nobody waits for the lease and a sweep.
    assert time.monotonic() - began < LEASE + 5 + 1
    assert (back.attempt, back.retries) == (1, 1)
    counted.gate.touch()
    site.ready(site.agent("web-01"))
    done = site.ended(task)
    assert (done.state, done.attempt) == (task_pb2.Task.STATE_COMPLETED, 2)


def test_an_agent_that_slept_beyond_its_lease_is_a_zombie_whose_results_are_refused(
    site: Site, counted: Counted, dsn: str
):
    first = site.ready(site.agent("web-01", "--pool", "shared=2"))
    site.ready(site.agent("web-02", "--pool", "shared=2"))
    drain(site, "web-02")
    task = site.enqueue(counted.script, pool="shared")
    assert site.running(task).node == "agent web-01"
    wait_for(lambda: counted.begun == 1, "the script to begin")
    first.send_signal(signal.SIGSTOP)
    resume(site, "web-02")
    wait_for(lambda: counted.begun == 2, "the other agent to begin it anew", LEASE + 5 + 3)
    first.send_signal(signal.SIGCONT)
    wait_for(lambda: "stopping own work" in site.said(first), "the zombie to notice")
    wait_for(lambda: site.said(first).count("agent joined") == 2, "it to join anew")
    counted.gate.touch()
    done = site.ended(task)
    assert (done.state, done.attempt, done.node) == (task_pb2.Task.STATE_COMPLETED, 2, "agent web-02")
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select attempt, verdict from windlass.attempt").fetchall()
    assert rows == [(1, 6)], "the zombie's end was accepted"


def drain(site: Site, agent: str) -> None:
    site.cluster.DrainAgent(cluster_service_pb2.DrainAgentRequest(name=f"agents/{agent}"), timeout=10)


def resume(site: Site, agent: str) -> None:
    site.cluster.ResumeAgent(cluster_service_pb2.ResumeAgentRequest(name=f"agents/{agent}"), timeout=10)


def test_a_task_goes_on_while_the_connection_is_cut_and_its_result_counts_once(patient: Site, counted: Counted):
    site, wire = patient, Wire(patient.address)
    try:
        agent = site.ready(site.agent("web-01", server=wire.address))
        task = site.enqueue(counted.script)
        site.running(task)
        wait_for(lambda: counted.begun == 1, "the script to begin")
        wire.open = False
        wire.cut()
        counted.gate.touch()
        wait_for(lambda: "trying again" in site.said(agent), "the agent to notice")
        time.sleep(0.3)
        wire.open = True
        done = site.ended(task)
        assert (done.state, done.attempt, counted.begun) == (task_pb2.Task.STATE_COMPLETED, 1, 1)
        assert site.output(task) == "done\n"
        assert site.said(agent).count("agent joined") == 1, "it went on under another epoch"
    finally:
        wire.close()


def test_a_link_that_is_cut_again_and_again_loses_nothing_and_repeats_nothing(patient: Site, tmp_path: Path):
    site, wire = patient, Wire(patient.address)
    ledger = tmp_path / "ledger"
    ledger.touch()
    try:
        agent = site.ready(site.agent("web-01", "--slots", "4", server=wire.address))
        tasks = [site.enqueue(f"echo {n} >> '{ledger}'") for n in range(24)]
        for _ in range(5):
            time.sleep(0.25)
            wire.cut()
            wire.links = 0
            wait_for(lambda: wire.links, "the agent to come back")
        for task in tasks:
            done = site.ended(task)
            # One whose assignment got lost may have been handed back, uncounted.
            assert (done.state, done.retries) == (task_pb2.Task.STATE_COMPLETED, 1), done.message
        assert sorted(ledger.read_text().split()) == sorted(str(n) for n in range(24))
        assert site.said(agent).count("agent joined") == 1
    finally:
        wire.close()


def test_work_goes_on_under_a_kernel_that_starts_anew(patient: Site, counted: Counted):
    site = patient
    agent = site.ready(site.agent("web-01"))
    task = site.enqueue(counted.script)
    site.running(task)
    wait_for(lambda: counted.begun == 1, "the script to begin")
    site.server.send_signal(signal.SIGTERM)
    site.server.wait(20)
    site.serve()
    counted.gate.touch()
    done = site.ended(task)
    assert (done.state, done.attempt, counted.begun) == (task_pb2.Task.STATE_COMPLETED, 1, 1), site.said(agent)
    assert agent.poll() is None


def test_a_silent_link_ends_the_agents_work_before_its_lease_is_given_away(site: Site, counted: Counted):
    wire = Wire(site.address)
    try:
        agent = site.ready(site.agent("web-01", server=wire.address))
        task = site.enqueue(counted.script)
        site.running(task)
        wait_for(lambda: counted.begun == 1, "the script to begin")
        wire.flowing.clear()
        silent = time.monotonic()
        wait_for(lambda: "stopping own work" in site.said(agent), "the agent to stop its own work")
        assert time.monotonic() - silent < LEASE
        assert site.agents()["web-01"].state != agent_pb2.Agent.STATE_UNSPECIFIED
        wire.cut()
        wire.flowing.set()
        counted.gate.touch()
        done = site.ended(task)
        assert (done.state, done.attempt) == (task_pb2.Task.STATE_COMPLETED, 2)
    finally:
        wire.close()


def test_an_agent_waits_for_a_server_that_is_not_there_yet(site: Site):
    token = site.token("web-01")
    site.server.send_signal(signal.SIGTERM)
    site.server.wait(20)
    agent = site.agent("web-01", token=token)
    wait_for(lambda: "trying again" in site.said(agent), "the agent to say that it tries again")
    site.serve()
    site.ready(agent)
