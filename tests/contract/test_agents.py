"""The Agents contract: workers that reach the store through a server only."""

from __future__ import annotations

from typing import Any

import pytest
from windlass.core.access import Role
from windlass.core.explain import gates
from windlass.core.lifecycle import State, Verdict
from windlass.core.vitals import NodeVitals
from windlass.errors import AgentNotFound, AgentPresent
from windlass.store.agents import AgentFacts, AgentState, HostFacts, Joined, Living
from windlass.store.facts import Asked, Ended, Note, Said
from windlass.store.pools import KindFacts
from windlass.store.port import Store

from tests.contract.facts import LEASE, SHORT, node_of, stored
from tests.waiting import eventually

POOL = "agent:web-01"
NOTE = Note("ada", "token 1", Role.OPERATOR, "windlass.v1.Cluster/DrainAgent", "agents/web-01")


def agent(id_: str = "web-01", *kinds: str, slots: int = 4, **changes: Any) -> AgentFacts:
    fields: dict[str, Any] = {
        "id": id_,
        "machine": "elsewhere",
        "pid": 7,
        "pid_started": 9,
        "host": HostFacts(agent=id_, hostname="web-01.example.org", cpus=8, version="0.1.0", labels={"site": "east"}),
        "pools": {f"agent:{id_}": slots},
        "kinds": tuple(KindFacts(kind, "default", 3, 1.0) for kind in kinds or ("Noop",)),
        "peer": "10.0.0.7:4711",
        "server": "kernel/1",
    }
    return AgentFacts(**(fields | changes))


async def joined(store: Store, facts: AgentFacts | None = None, *, lease: float = LEASE, replaces: int = 0) -> int:
    found = await store.agents.join(facts or agent(), lease, replaces)
    assert isinstance(found, Joined)
    return found.epoch


async def started(store: Store, epoch: int, pool: str = POOL) -> int:
    """A task that the agent runs."""
    await stored(store, pool=pool)
    [claimed] = await store.queue.claim(epoch, pool, ["Noop"], 1)
    await store.queue.say(epoch, [Said(claimed.id, claimed.attempt, 0.0)])
    return claimed.id


async def test_an_agent_is_listed_with_what_it_said_of_itself(store: Store, other: Store) -> None:
    epoch = await joined(store, agent("web-01", "Noop", "Ping", pools={POOL: 2, "builds": 1}))
    await started(store, epoch)
    [entry] = await other.agents.agents()
    assert (entry.id, entry.epoch, entry.state, entry.running) == ("web-01", epoch, AgentState.LIVE, 1)
    assert (entry.host, entry.kinds) == (agent().host, ("Noop", "Ping"))
    assert (entry.pools, entry.peer, entry.server) == ({POOL: 2, "builds": 1}, "10.0.0.7:4711", "kernel/1")


async def test_an_agent_is_no_node_of_the_cluster_and_does_not_count_as_one(store: Store) -> None:
    await joined(store)
    assert await store.roster.nodes(3600) == []
    assert (await store.survey.nodes(3600)).live == 0


async def test_of_two_processes_with_one_id_the_second_is_told_of_the_first(store: Store, other: Store) -> None:
    first = await joined(store)
    found = await other.agents.join(agent(pid=8), LEASE)
    assert isinstance(found, Living)
    assert (found.epoch, found.machine, found.pid, found.pid_started) == (first, "elsewhere", 7, 9)
    assert found.peer == "10.0.0.7:4711"
    assert await joined(other, agent("web-02")) > first, "another id is another agent"


async def test_a_process_that_is_named_as_gone_is_replaced_and_what_it_held_is_recovered(store: Store) -> None:
    first = await joined(store)
    task = await started(store, first)
    second = await joined(store, replaces=first)
    assert second > first
    assert await store.queue.finish(first, [Ended(task, 1, Verdict.SUCCESS, 0.1)]) != [], "it is not recovered yet"
    other = await started(store, second)
    third = await joined(store, replaces=second)
    assert await store.cluster.recover() == 1
    assert await store.queue.finish(second, [Ended(other, 1, Verdict.SUCCESS, 0.1)]) == []
    facts = await store.library.task(other)
    assert facts is not None
    assert facts.state is State.PENDING
    card = await store.library.card(other)
    assert card is not None
    assert card.attempts[0].message == "agent web-01 was lost"
    assert third > second


async def test_an_epoch_goes_on_elsewhere_while_its_lease_holds(store: Store, other: Store) -> None:
    epoch = await joined(store)
    assert await other.agents.resume("web-01", epoch, LEASE, "10.0.0.7:5000", "kernel/2") == Joined(epoch, False)
    [entry] = await store.agents.agents()
    assert (entry.peer, entry.server) == ("10.0.0.7:5000", "kernel/2")
    assert await other.agents.resume("web-02", epoch, LEASE, "", "") is None
    await store.cluster.leave(epoch)
    assert await other.agents.resume("web-01", epoch, LEASE, "", "") is None


async def test_leases_of_many_are_renewed_at_once_and_one_that_ran_out_stays_so(store: Store) -> None:
    alive, late = await joined(store), await joined(store, agent("web-02"), lease=SHORT)
    await eventually_away(store, "web-02")
    assert await store.agents.renew([alive, late, 10_000], LEASE) == {alive: False}
    assert (await states(store))["web-02"] is AgentState.AWAY


async def test_a_drained_agent_is_drained_after_its_next_start_too(store: Store) -> None:
    first = await joined(store)
    await store.agents.drain("web-01", draining=True, note=NOTE)
    assert await store.agents.renew([first], LEASE) == {first: True}
    second = await store.agents.join(agent(), LEASE, replaces=first)
    assert isinstance(second, Joined)
    assert second.draining
    assert (await states(store))["web-01"] is AgentState.DRAINING
    await store.agents.drain("web-01", draining=False)
    assert await store.agents.renew([second.epoch], LEASE) == {second.epoch: False}
    assert [entry.note for entry in (await store.audit.entries(10)).items] == [NOTE]
    with pytest.raises(AgentNotFound, match="no agent 'web-09' has ever connected"):
        await store.agents.drain("web-09", draining=True)


async def test_an_agent_that_is_away_is_forgotten_with_its_pool_and_is_new_when_it_comes_again(
    store: Store, other: Store
) -> None:
    epoch = await joined(store, agent("web-01", "Rare", pools={POOL: 2, "builds": 1}))
    await joined(store, agent("web-02"))
    await store.agents.drain("web-01", draining=True)
    with pytest.raises(AgentPresent, match="agent web-01 is connected, or holds tasks: end it first"):
        await store.agents.forget("web-01", NOTE)
    await store.cluster.leave(epoch)
    [waiting] = await stored(store, pool=POOL)
    await store.agents.forget("web-01", NOTE)
    assert set(await states(other)) == {"web-02"}
    assert [each.facts.name for each in await other.agents.kinds()] == ["Noop"]
    assert {pool.name for pool in await other.roster.pools()} == {"builds", "agent:web-02"}
    assert [entry.note for entry in (await store.audit.entries(10)).items] == [NOTE]
    for nobody in ("web-01", "web-09"):
        with pytest.raises(AgentNotFound):
            await store.agents.forget(nobody, NOTE)
    again = await store.agents.join(agent(), LEASE)
    assert isinstance(again, Joined)
    assert not again.draining
    assert [claimed.id for claimed in await store.queue.claim(again.epoch, POOL, ["Noop"], 9)] == [waiting]


async def test_an_agent_whose_tasks_nobody_has_recovered_is_not_forgotten(store: Store) -> None:
    epoch = await joined(store)
    await started(store, epoch)
    await store.cluster.leave(epoch)
    assert await states(store) == {"web-01": AgentState.AWAY}
    with pytest.raises(AgentPresent):
        await store.agents.forget("web-01")
    await store.cluster.recover()
    await store.agents.forget("web-01")
    assert await states(store) == {}


async def test_pools_with_work_are_found_in_one_look(store: Store) -> None:
    await stored(store, pool="builds")
    await stored(store, pool=POOL, delay=60)
    assert await store.agents.due([POOL, "builds", "other"]) == {"builds"}
    assert await store.agents.due([]) == set()


async def test_holdings_are_what_is_not_started_and_what_is_interrupted(store: Store) -> None:
    one, two = await joined(store), await joined(store, agent("web-02"))
    running, cancelled = await started(store, one), await started(store, one)
    await stored(store, pool="agent:web-02")
    [waiting] = await store.queue.claim(two, "agent:web-02", ["Noop"], 1)
    await store.queue.interrupt(Asked(cancelled, "ada", "enough"))
    found = {held.task: held for held in await store.agents.holdings([one, two])}
    assert running not in found
    assert (found[cancelled].epoch, found[cancelled].started) == (one, True)
    assert (found[cancelled].interrupt_by, found[cancelled].interrupt_reason) == ("ada", "enough")
    assert (found[waiting.id].epoch, found[waiting.id].started, found[waiting.id].interrupt_by) == (two, False, None)
    assert await store.agents.holdings([two + 1]) == []


async def test_an_agents_own_pool_has_its_slots_and_other_pools_keep_theirs(store: Store) -> None:
    await store.pools.register({"builds": 40}, [])
    epoch = await joined(store, agent(pools={POOL: 3, "builds": 2, "edge": 2}))
    slots = {facts.name: facts.slots for facts in await store.pools.look()}
    assert slots == {POOL: 3, "builds": 40, "edge": 2}
    await joined(store, agent(slots=5), replaces=epoch)
    assert {facts.name: facts.slots for facts in await store.pools.look()}[POOL] == 5


async def test_what_an_agent_says_of_a_kind_changes_nothing_that_a_server_said(store: Store) -> None:
    known = KindFacts("Noop", "default", 10, 30.0)
    await store.pools.register({}, [known])
    await joined(store, agent("web-01", "Noop", "OnlyThere"))
    told = [(kind.facts, kind.role) for kind in await store.agents.kinds()]
    assert told == [(known, Role.SUBMITTER), (KindFacts("OnlyThere", "default", 3, 1.0), Role.SUBMITTER)]
    await joined(store, agent("web-02", "OnlyThere", roles={"OnlyThere": Role.OPERATOR}))
    assert [kind.role for kind in await store.agents.kinds()] == [Role.SUBMITTER, Role.OPERATOR], "the highest counts"


async def test_where_an_agents_task_ran_is_kept_as_it_was(store: Store) -> None:
    first = await joined(store)
    task = await started(store, first)
    assert await store.agents.host(task) == agent().host
    await store.queue.finish(first, [Ended(task, 1, Verdict.SUCCESS, 0.1)])
    await joined(store, agent(host=HostFacts(agent="web-01", cpus=64)), replaces=first)
    assert await store.agents.host(task) == agent().host
    mine = await node_of(store)
    [elsewhere] = await stored(store)
    await store.queue.claim(mine, "default", ["Noop"], 1)
    assert await store.agents.host(elsewhere) is None


async def test_explain_knows_an_agent_that_never_came_is_away_is_drained_or_lacks_the_kind(store: Store) -> None:
    await node_of(store)
    [task] = await stored(store, pool=POOL)
    assert await why(store, task) == ["no agent web-01 has ever connected"]
    epoch = await joined(store, agent("web-01", "Ping"))
    assert await why(store, task) == ["agent web-01 does not know kind Noop"]
    epoch = await joined(store, replaces=epoch)
    assert await why(store, task) == []
    await store.agents.drain("web-01", draining=True)
    assert await why(store, task) == ["agent web-01 is drained"]
    await store.cluster.leave(epoch)
    [away] = await why(store, task)
    assert away.startswith("agent web-01 is away since 20")


async def test_an_agent_is_not_counted_for_pools_that_it_does_not_serve(store: Store) -> None:
    await joined(store)
    [task] = await stored(store)
    standing = await store.library.standing(task)
    assert standing is not None
    assert (standing.live_nodes, standing.able_nodes) == (0, 0)


async def why(store: Store, task: int) -> list[str]:
    standing = await store.library.standing(task)
    assert standing is not None
    return [gate.why for gate in gates(standing)]


async def states(store: Store) -> dict[str, AgentState]:
    return {entry.id: entry.state for entry in await store.agents.agents()}


async def eventually_away(store: Store, id_: str) -> None:
    async def is_away() -> bool:
        return (await states(store))[id_] is AgentState.AWAY

    await eventually(is_away)


async def test_live_agents_are_counted_beside_the_nodes_and_so_are_those_that_take_no_more(store: Store) -> None:
    await node_of(store)
    epoch = await joined(store)
    await joined(store, agent("web-02"))
    await store.agents.drain("web-02", draining=True)
    assert await store.survey.nodes(60.0) == NodeVitals(1, agents=2, draining_agents=1)
    await store.cluster.leave(epoch)
    assert await store.survey.nodes(60.0) == NodeVitals(1, agents=1, draining_agents=1)
