"""The steps that both stores are taken through: everything nodes and people may ask, in any order, old news too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from windlass.core.lifecycle import Verdict
from windlass.core.sequence import sequence
from windlass.store.facts import Asked, Chunk, Claimed, Ended, Line, Membership, NewTask, NodeFacts, Progress, Said
from windlass.store.lanes import Entrant
from windlass.store.pools import KindFacts
from windlass.store.port import Store

from tests.contract.facts import new_task
from tests.contract.pair import EVERYTHING, Ask, Pair

T = TypeVar("T")
HOUR = 3_600
LEASE = 2.5 * HOUR
KINDS = ("Noop", "Odd")
POOLS = ("default", "other")
LIMITS = {"one": 1, "two": 2}

which = st.integers(0, 7)
"""One of those there are; 0 is the newest."""
kinds = st.sampled_from(KINDS)
pools = st.sampled_from(POOLS)
priorities = st.sampled_from((1, 5, 9))
flags = st.booleans()
lives = st.sampled_from(("join", "leave", "renew", "beat", "beat"))
rarely = st.sampled_from((False, False, False, True))
verdicts = st.sampled_from(
    (Verdict.SUCCESS, Verdict.FAILED, Verdict.RETRY, Verdict.RETRY, Verdict.CANCELED, Verdict.RETURNED)
)


class Asking(msgspec.Struct, frozen=True):
    """A request before it knows which tasks there are: `after` says which of them."""

    task: NewTask
    after: tuple[int, ...] = ()


def _asking(number: int | None, body: bytes, after: list[int], **fields: Any) -> Asking:
    request = {} if number is None else {"request_id": UUID(int=number), "body_hash": body}
    key = fields.pop("slot_key")
    slots = {} if key is None else {"slot_key": key, "slot_limit": LIMITS[key]}
    return Asking(new_task(**request, **slots, **fields), tuple(after))


askings = st.builds(
    _asking,
    st.sampled_from((None, None, 1, 2, 3)),
    st.sampled_from((b"a", b"a", b"b")),
    after=st.lists(which, max_size=2) | st.just([]),
    kind=kinds,
    pool=st.sampled_from(("default", "default", "other")),
    priority=priorities,
    delay=st.sampled_from((0, 0, 0, HOUR)),
    coalesce_key=st.sampled_from((None, None, "a", "b")),
    joins_running=flags,
    slot_key=st.sampled_from((None, None, "one", "two")),
    start_within=st.sampled_from((None, None, None, HOUR // 2)),
    attempt_limit=st.sampled_from((None, 1, 3)),
    after_success=flags,
)


def _order(claimed: Claimed) -> Any:
    return (-claimed.priority, claimed.next_try_at, claimed.id)


def _by_id(one: Any) -> int:
    return one.id if isinstance(one, Claimed) else int(one.task)


class Nodes(RuleBasedStateMachine):
    """Nodes that join, live, lead and die, and time that passes."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        pair.begin()
        self.pair, self.both = pair, pair.both
        self.nodes: list[int] = []
        self.terms: list[Membership] = []
        self.claims: list[tuple[int, Claimed]] = []

    @initialize()
    def two_nodes_that_know_two_pools(self) -> None:
        facts = [KindFacts(name, "default", 3, 0.0) for name in KINDS]
        self.both(lambda store: store.pools.register({"default": 4, "other": 2}, facts))
        for _ in range(2):
            self.join("m")
        self.beat(0)

    @rule(
        what=st.sampled_from(("join", "leave", "renew", "beat", "beat")), who=which, machine=st.sampled_from(("m", "n"))
    )
    def a_node_lives(self, what: str, who: int, machine: str) -> None:
        if what == "join":
            self.join(machine)
        elif what == "beat":
            self.beat(who)
        else:
            node, words = self.node(who), (LEASE,) if what == "renew" else ()
            self.both(lambda store: getattr(store.cluster, what)(node, *words))

    def join(self, machine: str) -> None:
        facts = NodeFacts(f"p{len(self.nodes)}", machine, 1, 1, KINDS)
        self.nodes.append(self.both(lambda store: store.cluster.join(facts, LEASE)))

    def beat(self, who: int) -> None:
        node = self.node(who)
        beat = self.both(lambda store: _sorted_beat(store, node))
        if beat.term is not None:
            self.terms.append(Membership(node, beat.term))

    @rule(hours=st.sampled_from((0, 0, 1, 1, 1, 80)), seconds=st.integers(0, 2))
    def time_passes(self, hours: int, seconds: int) -> None:
        self.pair.pass_time(hours * HOUR + seconds)

    @rule(who=st.none() | which, limit=st.sampled_from((None, 1, 2)))
    def recover(self, who: int | None, limit: int | None) -> None:
        dead = None if who is None else self.node(who)
        limits = {} if limit is None else {"Noop": limit}
        self.both(lambda store: store.cluster.recover(dead, limits))

    @precondition(lambda self: self.terms)
    @rule(when=which, what=st.sampled_from(("promote", "expire", "release", "promote expire release")))
    def lead(self, when: int, what: str) -> None:
        term = _of(self.terms, when)
        for name in what.split():
            words = () if name == "release" else (term, EVERYTHING)
            self.both(_asking_the_queue(name, *words))

    @rule(who=which, pool=pools, in_use=st.integers(0, 3), hungry=flags)
    def share(self, who: int, pool: str, in_use: int, hungry: bool) -> None:
        node = self.node(who)
        self.both(lambda store: store.pools.share(node, pool, in_use, hungry=hungry))
        self.both(_looked)

    @rule(
        what=st.sampled_from(("resize", "pause_pool", "pause_kind", "resume_pool", "resume_kind")),
        name=st.sampled_from((*POOLS, *KINDS, "none")),
        slots=st.integers(0, 5),
    )
    def operate(self, what: str, name: str, slots: int) -> None:
        words = {"resize": (slots,), "pause": ("ada", "because")}.get(what.partition("_")[0], ())
        self.both(lambda store: getattr(store.pools, what)(name, *words))

    @rule(who=which, draining=flags)
    def drain(self, who: int, draining: bool) -> None:
        node = self.node(who)
        self.both(lambda store: store.cluster.drain(node, draining=draining))

    def node(self, who: int) -> int:
        return _of(self.nodes, who)


class Histories(Nodes):
    """And tasks, from their request to their end."""

    @initialize(asked=st.lists(askings, min_size=4, max_size=7))
    def some_tasks(self, asked: list[Asking]) -> None:
        for one in asked:
            self.enqueue([one], each=True)

    @rule(asked=st.lists(askings, min_size=1, max_size=4), each=flags)
    def enqueue(self, asked: list[Asking], each: bool) -> None:
        tasks = sorted((self._told(one) for one in asked), key=_stored_in_order)
        self.both(lambda store: (store.queue.enqueue_each if each else store.queue.enqueue)(tasks))

    @rule(asked=st.lists(askings, min_size=1, max_size=2))
    def enqueue_more(self, asked: list[Asking]) -> None:
        self.enqueue(asked, each=True)

    @rule(who=which, pool=pools, verdict=verdicts)
    def work(self, who: int, pool: str, verdict: Verdict) -> None:
        """All that a careful node does with what it gets; without it few histories would come to an end."""
        known = len(self.claims)
        self.claim(who, pool, KINDS, 4)
        ids = [claimed.id for _, claimed in self.claims[known:]]
        self.both(lambda store: store.queue.joined(ids))
        for place in range(len(ids)):
            self.say(place, other=False, who=who, age=1, stage=None, n=place)
        if ids:
            self.finish(list(range(len(ids))), verdict, wrong=False, who=who, started=0, pause=0)

    @rule(who=which, pool=pools, names=st.sampled_from((KINDS, KINDS, ("Odd",))), limit=st.integers(1, 5))
    def claim(self, who: int, pool: str, names: Sequence[str], limit: int) -> None:
        node = self.node(who)
        claimed = self.both(lambda store: store.queue.claim(node, pool, names, limit), sort=_order)
        self.claims += [(node, one) for one in claimed]

    @rule(who=which, pool=pools, known=st.lists(which, max_size=2))
    def reclaim(self, who: int, pool: str, known: list[int]) -> None:
        node = self.node(who)
        ids = [_of(self.claims, one)[1].id for one in known if self.claims]
        self.both(lambda store: store.queue.reclaim(node, pool, ids), sort=_by_id)

    @precondition(lambda self: self.claims)
    @rule(one=which, other=rarely, who=which, age=st.integers(0, 5), stage=st.sampled_from((None, "reads")), n=which)
    def say(self, one: int, other: bool, who: int, age: int, stage: str | None, n: int) -> None:
        node, claimed = _of(self.claims, one)
        number = sequence(claimed.attempt, 10 + 10 * n)
        words = Said(claimed.id, claimed.attempt, age, stage, **_words(number, n))
        speaker = self.node(who) if other else node
        self.both(lambda store: store.queue.say(speaker, [words]))

    @precondition(lambda self: self.claims)
    @rule(
        ones=st.lists(which, min_size=1, max_size=3, unique=True),
        verdict=verdicts,
        wrong=rarely,
        who=which,
        started=st.sampled_from((None, 0, 3)),
        pause=st.sampled_from((0, 0, HOUR)),
    )
    def finish(self, ones: list[int], verdict: Verdict, wrong: bool, who: int, started: int | None, pause: int) -> None:
        node = self.node(who) if wrong else _of(self.claims, ones[0])[0]
        ends = {
            claimed.id: Ended(claimed.id, claimed.attempt, verdict, started, 0, "so", '{"a": 1}', pause)
            for _, claimed in (_of(self.claims, one) for one in ones)
        }
        self.both(lambda store: store.queue.finish(node, list(ends.values())), sort=_by_id)

    @precondition(lambda self: self.tasks)
    @rule(one=which, reason=st.sampled_from(("", "it is late")))
    def interrupt(self, one: int, reason: str) -> None:
        task = _of(self.tasks, one)
        self.both(lambda store: store.queue.interrupt(Asked(task, "eve", reason)))

    @rule(who=which)
    def look_for_interrupts(self, who: int) -> None:
        node = self.node(who)
        self.both(lambda store: store.queue.interrupts(node), sort=_by_id)

    @precondition(lambda self: self.tasks)
    @rule(one=which, priority=priorities)
    def reprioritize(self, one: int, priority: int) -> None:
        task = _of(self.tasks, one)
        self.both(lambda store: store.queue.reprioritize(task, priority))

    @precondition(lambda self: self.claims)
    @rule(one=which, lane=st.sampled_from(("l", "m")), fence=st.integers(1, 3), leaves=flags)
    def visit_a_lane(self, one: int, lane: str, fence: int, leaves: bool) -> None:
        node, claimed = _of(self.claims, one)
        entrant = Entrant(lane, claimed.id, claimed.attempt, node)
        self.both(lambda store: store.lanes.called([entrant]))
        self.both(lambda store: store.lanes.leave(entrant) if leaves else store.lanes.enter(entrant))
        self.both(lambda store: store.lanes.holds(entrant, fence))

    @invariant()
    def everybody_reads_the_same(self) -> None:
        self.pair.compare()

    def teardown(self) -> None:
        self.pair.compare_details()

    @property
    def tasks(self) -> list[int]:
        return list(self.pair.world.tasks)

    def _told(self, asking: Asking) -> NewTask:
        after = tuple({_of(self.tasks, one) for one in asking.after} if self.tasks else ())
        return msgspec.structs.replace(asking.task, after=after)


def _of(things: Sequence[T], place: int) -> T:
    return things[-1 - place % len(things)]


def _asking_the_queue(name: str, *words: Any) -> Ask:
    return lambda store: getattr(store.queue, name)(*words)


def _stored_in_order(task: NewTask) -> tuple[bool, str, str]:
    # One batch gives out its ids in this order; the memory store in the order of the batch.
    return (not task.stands_alone, task.kind if not task.stands_alone else "", task.coalesce_key or "~")


def _words(number: int, n: int) -> dict[str, Any]:
    return {
        "progress": Progress(number, 0, n, 10) if n % 2 else None,
        "lines": (Line(number + 1, 0, 3, f"step {n}", '{"b": 2}'),),
        "chunks": (Chunk(number + 2, 0, 1, b"out", n),) if n % 3 else (),
    }


async def _sorted_beat(store: Store, node: int) -> Any:
    beat = await store.cluster.beat(node, LEASE)
    return msgspec.structs.replace(beat, neighbours=tuple(sorted(beat.neighbours, key=lambda facts: facts.id)))


async def _looked(store: Store) -> Any:
    found = await store.pools.look(POOLS, KINDS)
    return [msgspec.structs.replace(one, shares=tuple(sorted(one.shares, key=lambda s: s.node))) for one in found]
