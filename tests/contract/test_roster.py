"""The Roster contract: who works, on what, and what is paused, as people read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from windlass.core.access import Role
from windlass.core.explain import GateKind, gates
from windlass.errors import NodeGone, NodeNotFound
from windlass.store.facts import NodeFacts, Note
from windlass.store.pools import KindFacts
from windlass.store.port import Store
from windlass.store.roster import NodeEntry, NodeState, ShareEntry

from tests.contract.facts import LEASE, expire, held, leader, node_of, running, stored

HOUR = 3_600.0
SOON = timedelta(milliseconds=100)
LIVE, DRAINING, LEFT, LOST = NodeState


async def nodes(store: Store, gone: float = HOUR) -> dict[int, NodeEntry]:
    return {entry.id: entry for entry in await store.roster.nodes(gone)}


async def states(store: Store) -> list[NodeState]:
    return [entry.state for entry in await store.roster.nodes(HOUR)]


# --- nodes


async def test_a_node_is_listed_with_what_it_said_of_itself_and_what_it_holds(store: Store, other: Store) -> None:
    await store.pools.register({"default": 8, "feeds": 2}, [])
    facts = NodeFacts("host/7", "m", 7, 1, ("Noop", "Greet"), version="1.2.3")
    me = await store.cluster.join(facts, LEASE)
    await store.pools.share(me, "feeds", 0, hungry=False)
    await store.pools.share(me, "default", 2, hungry=True)
    await leader(store, me)
    await held(store, me)
    await running(store, me)
    entry = (await nodes(other))[me]
    assert (entry.name, entry.version, entry.kinds) == ("host/7", "1.2.3", ("Noop", "Greet"))
    assert (entry.state, entry.is_leader, entry.running) == (LIVE, True, 2)
    assert entry.shares == (ShareEntry("default", 8, 2), ShareEntry("feeds", 2, 0))
    assert abs(entry.joined_at - entry.renewed_at) < SOON
    assert abs(entry.expires_at - entry.renewed_at - timedelta(seconds=LEASE)) < SOON


async def test_a_renewal_says_when_the_node_was_last_alive(store: Store) -> None:
    me = await node_of(store)
    first = (await nodes(store))[me]
    assert store.cluster.renew(me, 60.0)
    again = (await nodes(store))[me]
    assert again.joined_at == first.joined_at
    assert again.renewed_at > first.renewed_at
    assert abs(again.expires_at - again.renewed_at - timedelta(seconds=60)) < SOON


async def test_those_that_live_come_first_and_those_that_went_say_how(store: Store) -> None:
    left, late, dead, live, drained = [await node_of(store, pid=pid) for pid in range(1, 6)]
    await store.pools.register({"default": 8}, [])
    await store.pools.share(left, "default", 0, hungry=False)
    await store.cluster.leave(left)
    expire(store, late)
    await store.cluster.recover(dead)
    await store.cluster.drain(drained, draining=True)
    found = [(entry.id, entry.state) for entry in await store.roster.nodes(HOUR)]
    assert found == [(live, LIVE), (drained, DRAINING), (left, LEFT), (late, LOST), (dead, LOST)]
    assert (await nodes(store))[left].shares == ()
    assert set(await nodes(store, gone=0.0)) == {live, drained}, "those that went were too long ago"


async def test_one_leads_and_a_leader_that_went_leads_no_more(store: Store) -> None:
    one, two = await node_of(store), await node_of(store, pid=2)
    await leader(store, one)
    assert [entry.is_leader for entry in await store.roster.nodes(HOUR)] == [True, False]
    await store.cluster.leave(one)
    assert [entry.is_leader for entry in await store.roster.nodes(HOUR)] == [False, False]
    await leader(store, two)
    assert (await nodes(store))[two].is_leader


# --- drained nodes


async def test_a_drained_node_hears_of_it_at_its_beat_until_it_is_resumed(store: Store, other: Store) -> None:
    me, neighbour = await node_of(store), await node_of(store, pid=2)
    assert not (await store.cluster.beat(me, LEASE)).draining
    await other.cluster.drain(me, draining=True)
    await other.cluster.drain(me, draining=True)
    assert (await store.cluster.beat(me, LEASE)).draining
    beat = await store.cluster.beat(neighbour, LEASE)
    assert not beat.draining, "it is another's"
    assert [facts.id for facts in beat.neighbours] == [me]
    assert await states(store) == [DRAINING, LIVE]
    await other.cluster.drain(me, draining=False)
    assert not (await store.cluster.beat(me, LEASE)).draining
    assert await states(store) == [LIVE, LIVE]


async def test_a_node_that_joins_drained_is_drained(store: Store) -> None:
    me = await store.cluster.join(NodeFacts("host/1", "m", 1, 1, (), draining=True), LEASE)
    assert (await store.cluster.beat(me, LEASE)).draining
    assert await states(store) == [DRAINING]


async def test_only_a_node_that_lives_is_drained_or_resumed(store: Store) -> None:
    left, late = await node_of(store), await node_of(store, pid=2)
    await store.cluster.leave(left)
    expire(store, late)
    noted = Note("ada", "tokens/1", Role.OPERATOR, "windlass.v1.Cluster/DrainNode", f"nodes/{left}")
    for draining in (True, False):
        for gone in (left, late):
            with pytest.raises(NodeGone, match=f"node {gone} is gone"):
                await store.cluster.drain(gone, draining=draining, note=noted)
        with pytest.raises(NodeNotFound, match="there is no node 4711"):
            await store.cluster.drain(4711, draining=draining, note=noted)
    assert (await store.audit.entries(10)).items == ()
    live = await node_of(store, pid=3)
    await store.cluster.drain(live, draining=True, note=noted)
    assert [entry.note for entry in (await store.audit.entries(10)).items] == [noted]


async def test_what_only_drained_nodes_can_run_says_so_and_is_in_nobodys_way(store: Store) -> None:
    await store.pools.register({"default": 8}, [KindFacts(name, "default", 3, 1.0) for name in ("Noop", "Other")])
    one, two = await node_of(store), await node_of(store, pid=2)
    other = await store.cluster.join(NodeFacts("host/3", "m", 3, 1, ("Other",)), LEASE)
    [task] = await stored(store, priority=9)
    [behind] = await stored(store, kind="Other", priority=1)

    async def told(id_: int) -> list[tuple[GateKind, str]]:
        standing = await store.library.standing(id_)
        assert standing is not None
        return [(gate.kind, gate.why) for gate in gates(standing)]

    assert [kind for kind, _ in await told(behind)] == [GateKind.AHEAD]
    await store.cluster.drain(one, draining=True)
    assert await told(task) == []
    await store.cluster.drain(two, draining=True)
    assert await told(task) == [(GateKind.NO_NODE, "all 2 live nodes that have kind Noop are drained")]
    assert await told(behind) == []
    await store.cluster.leave(two)
    assert await told(task) == [(GateKind.NO_NODE, "the one live node that has kind Noop is drained")]
    await store.cluster.leave(one)
    assert await told(task) == [(GateKind.NO_NODE, "none of the 1 live nodes has kind Noop")]
    assert other


# --- pools and kinds


async def test_a_pool_says_what_executes_and_who_paused_it(store: Store) -> None:
    await store.pools.register({"feeds": 2, "default": 8}, [])
    me = await node_of(store)
    await running(store, me)
    await held(store, me)
    await store.pools.pause_pool("feeds", "eve", "moving house")
    await store.pools.pause_pool("feeds", "bob", "too late")
    default, feeds = await store.roster.pools()
    assert (default.name, default.slots, default.in_use, default.pause) == ("default", 8, 1, None)
    assert feeds.pause is not None
    assert (feeds.name, feeds.in_use, feeds.pause.by, feeds.pause.reason) == ("feeds", 0, "eve", "moving house")
    assert abs(datetime.now(UTC) - feeds.pause.at) < timedelta(minutes=1)
    await store.pools.resume_pool("feeds")
    assert [pool.pause for pool in await store.roster.pools()] == [None, None]


async def test_a_kind_says_how_it_is_run_how_many_have_it_and_who_paused_it(store: Store) -> None:
    known = [KindFacts("Noop", "feeds", 3, 1.5), KindFacts("Greet", "default", 10, 30.0)]
    await store.pools.register({"default": 8, "feeds": 1}, known)
    await node_of(store)
    gone = await node_of(store, pid=2)
    await store.cluster.leave(gone)
    await store.pools.pause_kind("Greet", "eve", "it is rude")
    greet, noop = await store.roster.kinds()
    assert (noop.name, noop.pool, noop.attempts, noop.retry_pause) == ("Noop", "feeds", 3, 1.5)
    assert (noop.nodes, noop.pause) == (1, None)
    assert greet.pause is not None
    assert (greet.name, greet.nodes, greet.pause.by, greet.pause.reason) == ("Greet", 0, "eve", "it is rude")
    await store.pools.resume_kind("Greet")
    await store.pools.pause_kind("Greet", "bob", "")
    again = (await store.roster.kinds())[0].pause
    assert again is not None
    assert (again.by, again.reason) == ("bob", ""), "nothing of the pause before is left"


async def test_a_store_tells_its_clock_and_what_it_is(store: Store) -> None:
    about = await store.roster.about()
    assert abs(datetime.now(UTC) - about.now) < timedelta(minutes=1)
    assert about.name.split()[0] in ("memory", "postgres")
    if about.name != "memory":
        assert int(about.name.split()[1].partition(".")[0]) >= 15
