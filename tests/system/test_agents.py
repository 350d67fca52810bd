"""An agent and a server as real processes: work that goes to the host, and comes back."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo
from windlass_proto.v1 import access_pb2, agent_pb2, cluster_service_pb2, task_pb2, tasks_service_pb2

from tests.system.hosting import SECONDS, Site, site_in


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, postgres: str, _stock: Any) -> Iterator[Site]:
    """One server for all of them: each has agents of its own."""
    name = _stock.take()
    with site_in(tmp_path_factory.mktemp("site"), make_conninfo(postgres, dbname=name)) as made:
        yield made
    _stock.give_back(name)


def test_a_script_runs_on_the_agent_and_its_output_is_watched_live(site: Site, tmp_path: Path):
    waiting = site.enqueue("echo from afar")
    assert site.explained(waiting) == ["no agent web-01 has ever connected"]
    site.ready(site.agent("web-01", "--slots", "2", "--label", "site=east"))
    done = site.ended(waiting)
    assert (done.state, done.node, done.retries) == (task_pb2.Task.STATE_COMPLETED, "agent web-01", 1)
    assert done.host.agent == "agents/web-01"
    assert done.host.labels == {"site": "east"}
    assert done.host.cpus > 0
    assert site.output(waiting) == "from afar\n"

    gate = tmp_path / "go on"
    live = site.enqueue(f"echo first; while [ ! -e '{gate}' ]; do sleep 0.05; done; echo last")
    seen = []
    for event in site.tasks.Watch(tasks_service_pb2.WatchRequest(name=live), timeout=SECONDS):
        if event.HasField("output"):
            seen.append(event.output.data)
            gate.touch()
    assert b"".join(seen) == b"first\nlast\n"
    assert seen[0] == b"first\n", "the output came only when the script had ended"

    shown = site.agents()["web-01"]
    assert (shown.state, shown.running) == (agent_pb2.Agent.STATE_LIVE, 0)
    assert [(one.pool, one.slots) for one in shown.pools] == [("agent:web-01", 2)]
    assert shown.peer.startswith("127.0.0.1:")


def test_a_running_script_is_interrupted_on_the_agent(site: Site):
    site.ready(site.agent("web-11"))
    task = site.enqueue("echo on; sleep 60", "agent:web-11")
    site.running(task)
    site.tasks.Interrupt(tasks_service_pb2.InterruptRequest(name=task, reason="enough"), timeout=SECONDS)
    ended = site.ended(task)
    assert ended.state == task_pb2.Task.STATE_CANCELED
    assert "enough" in ended.message


def test_sigterm_lets_tasks_finish_within_the_grace_and_hands_back_the_rest_uncounted(site: Site):
    agent = site.ready(site.agent("web-21", "--slots", "2", "--grace", "2"))
    short, long, late = (
        site.enqueue("sleep 1; echo done", "agent:web-21"),
        site.enqueue("sleep 60", "agent:web-21"),
        site.enqueue("echo late", "agent:web-21"),
    )
    site.running(short)
    site.running(long)
    began = time.monotonic()
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(10) == 0, site.said(agent)
    assert time.monotonic() - began < 2 + 3
    assert site.task(short).state == task_pb2.Task.STATE_COMPLETED
    handed_back = site.task(long)
    assert (handed_back.state, handed_back.retries) == (task_pb2.Task.STATE_PENDING, 0)
    assert site.task(late).state == task_pb2.Task.STATE_PENDING
    assert site.agents()["web-21"].state == agent_pb2.Agent.STATE_AWAY
    [why] = [words for words in site.explained(late) if "agent web-21" in words]
    assert why.startswith("agent web-21 is away since 20")
    site.ready(site.agent("web-21", "--slots", "2"))
    assert site.ended(late).state == task_pb2.Task.STATE_COMPLETED


def test_a_drained_agent_takes_nothing_also_after_a_restart_until_it_is_resumed(site: Site):
    agent = site.ready(site.agent("web-31"))
    name = "agents/web-31"
    site.cluster.DrainAgent(cluster_service_pb2.DrainAgentRequest(name=name), timeout=SECONDS)
    task = site.enqueue("echo at last", "agent:web-31")
    agent.send_signal(signal.SIGTERM)
    agent.wait(10)
    site.ready(site.agent("web-31"))
    assert site.agents()["web-31"].state == agent_pb2.Agent.STATE_DRAINING
    assert site.explained(task) == ["agent web-31 is drained"]
    site.cluster.ResumeAgent(cluster_service_pb2.ResumeAgentRequest(name=name), timeout=SECONDS)
    assert site.ended(task).state == task_pb2.Task.STATE_COMPLETED


def test_who_may_not_work_as_this_agent_is_told_what_to_do(site: Site):
    wrong = site.agent("web-42", token=site.token("web-41"))
    assert wrong.wait(SECONDS) == 1
    assert "your token, or certificate, is that of agent 'web-41'" in site.said(wrong)
    unknown = site.folder / "unknown.token"
    unknown.write_text("nothing that was ever given out")
    stranger = site.agent("web-41", token=unknown)
    assert stranger.wait(SECONDS) == 1
    assert "error: " in site.said(stranger)
    operator = site.agent("web-41", token=site.token("web-41", access_pb2.ROLE_OPERATOR))
    assert operator.wait(SECONDS) == 1
    assert "needs the role agent, and yours is operator" in site.said(operator)


def test_a_second_agent_of_the_same_id_is_refused_and_says_since_when_and_from_where(site: Site):
    token = site.token("web-51")
    site.ready(site.agent("web-51", token=token))
    second = site.agent("web-51", token=token)
    assert second.wait(SECONDS) == 1
    assert "agent web-51 is connected already, since 20" in site.said(second)
    assert "from 127.0.0.1:" in site.said(second)


def test_an_agent_that_is_told_of_several_servers_finds_the_one_that_answers(site: Site):
    site.ready(site.agent("web-71", "--server", site.address, server="127.0.0.1:1"))
