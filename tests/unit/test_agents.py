"""Agents on paper: names, where the kernel is, what is said of one that is missing, what fits into one question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from windlass.config import NodeConfig, load_config
from windlass.core.agents import agent_of, is_agent_id, is_agent_pool, pool_of
from windlass.core.explain import gates
from windlass.core.health import signals
from windlass.core.signals import Thresholds
from windlass.core.vitals import KindWaiting, NodeVitals, PoolVitals, Samples, Vitals
from windlass.errors import BootError, ConfigError, InvalidArgument, RequestIdReused, TaskNotFound, WindlassError
from windlass.host.admission import Admission, Caller, Request
from windlass.host.plugins import load_plugins
from windlass.store.facts import Claimed, Standing
from windlass_agent.agent import Agent, slots_of
from windlass_agent.convert import batches, error_of
from windlass_agent.place import Place, Tls

from tests.unit.test_explain import FREE

NOW = datetime(2026, 11, 22, 14, 3, 11, tzinfo=UTC)


@pytest.mark.parametrize("id_", ["web-01", "a", "0.example.org", "x" * 80])
def test_a_name_that_an_agent_may_have_names_its_pool(id_: str) -> None:
    assert is_agent_id(id_)
    assert is_agent_pool(pool_of(id_))
    assert agent_of(pool_of(id_)) == id_


@pytest.mark.parametrize("id_", ["", "Web-01", "-web", ".", "web 01", "web_01", "x" * 81, "wéb"])
def test_a_name_that_no_agent_may_have_is_known(id_: str) -> None:
    assert not is_agent_id(id_)


def test_a_pool_of_another_name_is_nobodys_own() -> None:
    assert not is_agent_pool("agents")
    assert agent_of("default") == ""


def why(**facts: object) -> list[tuple[str, str]]:
    return [(gate.why, gate.clears) for gate in gates(Standing(**(FREE | {"pool": "agent:web-01"} | facts)))]


def test_explain_names_the_agent_and_what_brings_it_back() -> None:
    [(said, clears)] = why(agent_state=3, agent_knows=True, agent_seen_at=NOW, slots=4)
    assert said == "agent web-01 is away since 2026-11-22 14:03:11 UTC"
    assert "windlass agent --id web-01" in clears
    assert [said for said, _ in why(agent_state=None, slots=None)] == ["no agent web-01 has ever connected"]
    [(said, clears)] = why(agent_state=2, agent_knows=True)
    assert (said, clears) == ("agent web-01 is drained", "resuming it: windlass agents resume web-01")
    assert [said for said, _ in why(agent_state=1)] == ["agent web-01 does not know kind Noop"]
    assert why(agent_state=1, agent_knows=True) == []


def test_work_that_waits_for_a_missing_agent_is_a_signal_of_its_own() -> None:
    waiting = KindWaiting("agent:web-01", "Ping", 3, NOW - timedelta(minutes=10), False, 0)
    pool = PoolVitals("agent:web-01", 4, None, None, "", 0, 0, 3, NOW - timedelta(minutes=10), 0, 0)
    vitals = Vitals(at=NOW, nodes=NodeVitals(1), pools=(pool,), waiting=(waiting,), runs=(), ends=(), counts=())
    [found] = [one for one in signals(vitals, Samples(), Thresholds()) if one.name == "agent-missing"]
    assert "agent web-01" in found.summary
    assert found.subjects == ("agents/web-01", "pools/agent:web-01")


ADMISSION = Admission(load_plugins({}, installed=True).kinds, ["default"])


def test_a_pool_of_an_agent_that_is_not_there_yet_is_taken_and_one_that_can_never_be_is_refused() -> None:
    ada = Caller("ada", 1)
    task = ADMISSION.admit(Request("ExecuteScript", payload=b'{"script": "date"}', pool="agent:some-day"), ada)
    assert task.pool == "agent:some-day"
    with pytest.raises(InvalidArgument, match="an agent's id is a to z") as refused:
        ADMISSION.admit(Request("ExecuteScript", payload=b'{"script": "date"}', pool="agent:Some Day"), ada)
    assert refused.value.field == "task.pool"


def test_no_node_is_configured_with_the_pool_of_an_agent(tmp_path: Path) -> None:
    file = tmp_path / "windlass.toml"
    file.write_text('[node.pools]\n"agent:web-01" = 4\n')
    with pytest.raises(ConfigError, match="served by that agent alone"):
        load_config(file, environ={"WINDLASS_HOME": str(tmp_path)})


def test_slots_that_are_not_named_are_those_of_the_agents_own_pool() -> None:
    assert slots_of("web-01", 3, {"builds": 1, "edge": None}) == {"agent:web-01": 3, "builds": 1, "edge": 3}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place((), "t"), "no server is named"),
        (Place(("kernel",), "t"), "must look like HOST:PORT"),
        (Place(("kernel:x",), "t"), "must look like HOST:PORT"),
        (Place(("kernel.example.org:7654",), "t"), "without TLS everyone on the way could read the token"),
        (Place(("127.0.0.1:7654",)), "nothing says who this agent is"),
        (Place(("10.0.0.1:7654",), "t", Tls(cert="a.pem")), "--cert and --key come together"),
    ],
    ids=["no server", "no port", "no number", "a plain link", "no token", "no key"],
)
def test_a_place_that_would_not_do_is_refused_with_what_to_do(place: Place, words: str) -> None:
    with pytest.raises(BootError, match=words):
        place.check()


def test_a_place_that_will_do_is_taken() -> None:
    Place(("127.0.0.1:7654", "[::1]:7654", "localhost:7654"), "t").check()
    Place(("kernel.example.org:7654",), "t", Tls()).check()


def test_neighbours_share_a_question_as_long_as_they_fit() -> None:
    assert batches([], 10) == []
    assert batches([4, 4, 4, 11, 1], 10) == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5)]


def test_an_error_of_the_kernel_is_one_of_the_same_class_here() -> None:
    assert isinstance(error_of("TASK_NOT_FOUND", "there is none", "", {"task": "7"}), TaskNotFound)
    error = error_of("REQUEST_ID_REUSED", "used", "request_id", {"task": "7"})
    assert isinstance(error, RequestIdReused)
    assert (error.field, error.facts) == ("request_id", {"task": "7"})
    assert type(error_of("NEWER_THAN_WE_ARE", "?", "", {})) is WindlassError


def claimed(id_: int) -> Claimed:
    facts = {"id": id_, "attempt": 1, "uncounted": 0, "kind": "ExecuteScript", "priority": 5, "next_try_at": NOW}
    words = {"payload": b"{}", "title": "", "trigger": "api", "initiator": "ada", "labels": b"{}", "created_at": NOW}
    return Claimed(**facts, **words, attempt_limit=None, retry_pause=None)  # type: ignore[arg-type]


async def test_what_arrived_and_was_not_taken_is_handed_back_by_a_drain_but_not_under_another_epoch() -> None:
    place = Place(("127.0.0.1:1",), "t")
    agent = Agent("web-01", place, load_plugins({}), NodeConfig(), {"agent:web-01": 2}, {})
    agent._epoch = agent.session._epoch = 7
    agent._remote.assigned(7, "agent:web-01", claimed(1))
    agent._remote.assigned(6, "agent:web-01", claimed(2))
    agent._return_waiting()
    assert agent.completer.holds() == [1]
    agent._remote.assigned(7, "agent:web-01", claimed(3))
    agent._remote.assigned(6, "agent:web-01", claimed(4))
    assert [task.id for task in await agent._remote.claim(7, "agent:web-01", [], 1)] == [3]
