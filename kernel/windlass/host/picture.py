"""The whole at one moment, drawn from what was read: for everybody, or for who may see some pools only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from windlass.core.health import signals
from windlass.core.signals import Signal, Thresholds
from windlass.core.vitals import (
    COUNT_CAP,
    KindEnds,
    KindWaiting,
    NodeVitals,
    PoolVitals,
    RunVitals,
    Samples,
    Vitals,
)
from windlass.host.sections import SectionFacts
from windlass.store.facts import TaskFacts
from windlass.store.lanes import LaneFacts
from windlass.store.statistics import Counts
from windlass.store.survey import LISTED_EACH, CoalescingFacts, Executing, PooledStanding

NUMBERS = Counts.__struct_fields__[2:]
Patience = Callable[[str], float]
"""Seconds that the interrupt ladder of a kind may take."""


class Facts(msgspec.Struct, frozen=True):
    """What was read, with what plugins said."""

    now: datetime
    nodes: NodeVitals
    pools: tuple[PoolVitals, ...] = ()
    executing: tuple[Executing, ...] = ()
    coalescing: tuple[CoalescingFacts, ...] = ()
    lanes: tuple[LaneFacts, ...] = ()
    waiting: tuple[KindWaiting, ...] = ()
    ends: tuple[KindEnds, ...] = ()
    counts: tuple[Counts, ...] = ()
    sections: tuple[SectionFacts, ...] = ()

    def vitals(self, patience: Patience) -> Vitals:
        runs = tuple(_run(one, patience) for one in self.executing)
        return Vitals(self.now, self.nodes, self.pools, self.waiting, runs, self.ends, self.counts)


class Picture(msgspec.Struct, frozen=True):
    """What people see.  Everything that ages is kept as a time, so that two pictures of the same are the same."""

    time: datetime
    is_idle: bool
    summary: str
    pools: tuple[PoolVitals, ...]
    active: tuple[TaskFacts, ...]
    active_count: int
    deferred: int
    blocked: int
    coalescing: tuple[CoalescingFacts, ...]
    coalescing_count: int
    lanes: tuple[LaneFacts, ...]
    signals: tuple[Signal, ...]
    sections: tuple[SectionFacts, ...]
    live_nodes: int
    live_agents: int
    draining: int
    counts: Counts


def within(facts: Facts, pools: frozenset[str]) -> Facts:
    """What somebody may see who may reach these pools only; plugins' sections are of no pool."""
    return Facts(
        now=facts.now,
        nodes=facts.nodes,
        pools=tuple(pool for pool in facts.pools if pool.name in pools),
        executing=tuple(one for one in facts.executing if one.task.pool in pools),
        coalescing=tuple(one for one in facts.coalescing if one.pool in pools),
        lanes=tuple(lane for one in facts.lanes if (lane := _lane_within(one, pools))),
        waiting=tuple(one for one in facts.waiting if one.pool in pools),
        ends=tuple(one for one in facts.ends if one.pool in pools),
        counts=tuple(one for one in facts.counts if one.pool in pools),
    )


def draw(facts: Facts, samples: Samples, patience: Patience, thresholds: Thresholds) -> Picture:
    """The picture of these facts; `samples` are what was seen before."""
    pools = facts.pools
    keyed = {one.pool: one.of_pool for one in facts.coalescing}
    found = signals(facts.vitals(patience), samples, thresholds)
    return Picture(
        time=facts.now,
        is_idle=not any(pool.held or pool.waiting or pool.deferred or pool.blocked for pool in pools),
        summary=summary(pools),
        pools=pools,
        active=tuple(one.task for one in facts.executing[:LISTED_EACH]),
        active_count=sum(pool.in_use for pool in pools),
        deferred=sum(pool.deferred for pool in pools),
        blocked=sum(pool.blocked for pool in pools),
        coalescing=facts.coalescing[:LISTED_EACH],
        coalescing_count=sum(keyed.values()),
        lanes=facts.lanes,
        signals=tuple(found),
        sections=facts.sections,
        live_nodes=facts.nodes.live,
        live_agents=facts.nodes.agents,
        draining=facts.nodes.draining + facts.nodes.draining_agents,
        counts=Counts("", "", **{name: sum(getattr(one, name) for one in facts.counts) for name in NUMBERS}),
    )


def summary(pools: Iterable[PoolVitals]) -> str:
    """One line for people; what a node has claimed and not started still waits."""
    pools = tuple(pools)
    running = sum(pool.in_use for pool in pools)
    pending = (
        (sum(pool.waiting + pool.held - pool.in_use for pool in pools), "waiting"),
        (sum(pool.deferred for pool in pools), "not due yet"),
        (sum(pool.blocked for pool in pools), "blocked"),
    )
    said = [f"{_number(count)} {word}" for count, word in pending if count]
    return ", ".join([f"{_number(running) if running else 'nothing'} running", *(said or ["nothing pending"])])


def _number(count: int) -> str:
    return f"{count:,}" if count <= COUNT_CAP else f"more than {COUNT_CAP:,}"


def _run(one: Executing, patience: Patience) -> RunVitals:
    return RunVitals(
        task=one.task.id,
        pool=one.task.pool,
        kind=one.task.kind,
        node=one.task.node or "?",
        started_at=one.task.started_at,
        last_word_at=one.last_word_at,
        interrupt_at=one.interrupt_at,
        run_limit=one.run_limit,
        is_resident=one.is_resident,
        patience=patience(one.task.kind),
    )


def _lane_within(lane: LaneFacts, pools: frozenset[str]) -> LaneFacts | None:
    """None when nobody of these pools is there.  A holder of another pool is there, and is nobody."""
    waiters = tuple(one for one in lane.waiters if isinstance(one, PooledStanding) and one.pool in pools)
    holder = lane.holder
    if isinstance(holder, PooledStanding) and holder.pool not in pools:
        if not waiters:
            return None
        holder = PooledStanding(0, 0, None, holder.since)
    return LaneFacts(lane.name, lane.fence, holder, waiters) if holder or waiters else None
