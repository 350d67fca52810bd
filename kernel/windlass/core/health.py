"""What an operator should look at: from what stands where, what was seen a while before, and thresholds, to signals.

Each signal says what is wrong, since when as far as is known, and what to check, in this order.  A task that is never
to be done (a resident) is not stuck because it runs for long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from windlass.core.agents import agent_of
from windlass.core.signals import Severity, Signal, Thresholds
from windlass.core.vitals import KindWaiting, PoolVitals, RunVitals, Sample, Samples, Vitals

MOST_SUBJECTS = 10
COUNTING_SECONDS = 60.0
"""What was counted for less says little."""


class Seen(NamedTuple):
    """What every rule is given."""

    vitals: Vitals
    samples: Samples
    limits: Thresholds

    def age(self, at: datetime | None) -> float:
        return 0.0 if at is None else (self.vitals.at - at).total_seconds()


CONSUMING = "is a node alive, and does it claim from this pool: the nodes, their shares and their logs"
DATABASE = "the database: does it answer in time, has it connections left, does an old transaction hold it up"
HOSTS = "CPU and memory of the hosts"
RESTART = "a stuck worker: restart the node that holds it; its tasks are taken back"


def signals(vitals: Vitals, samples: Samples, limits: Thresholds) -> list[Signal]:
    """What is wrong, the worst first.  `samples` hold what was seen before; pools not in `vitals` are left alone."""
    seen = Seen(vitals, samples, limits)
    found = [signal for rule in RULES for signal in rule(seen)]
    return sorted(found, key=lambda signal: (-signal.severity, signal.name, signal.subjects))


def _no_live_node(seen: Seen) -> Iterator[Signal]:
    if seen.vitals.nodes.live == 0:
        checks = ("is a server running, and what does its log say", DATABASE, HOSTS)
        yield _critical(
            "no-live-node", "no node is alive: nothing is started", checks, since=seen.vitals.nodes.last_alive_at
        )


def _node_lost(seen: Seen) -> Iterator[Signal]:
    if lost := seen.vitals.nodes.lost:
        names = ", ".join(node.name for node in lost[:3]) + (", …" if len(lost) > 3 else "")
        checks = (
            "was the node killed, or out of memory: the end of its log and the system's log",
            "was it cut off from the database",
            HOSTS,
        )
        subjects = (f"nodes/{node.id}" for node in lost)
        noun = "node was" if len(lost) == 1 else "nodes were"
        said = f"{len(lost)} {noun} lost ({names}); what it held was taken back"
        yield _warning("node-lost", said, checks, subjects, lost[0].at)


def _all_drained(seen: Seen) -> Iterator[Signal]:
    waiting = [pool for pool in seen.vitals.pools if pool.waiting and not pool.is_paused]
    if seen.vitals.nodes.all_drained and waiting:
        checks = ("who drained them, and is that over: resume one, or start another", HOSTS)
        since = min((pool.oldest_at for pool in waiting if pool.oldest_at is not None), default=None)
        said = "work is due, and every live node is drained: nothing is started"
        yield _warning("all-nodes-drained", said, checks, [f"pools/{pool.name}" for pool in waiting], since)


def _idle_while_waiting(seen: Seen) -> Iterator[Signal]:
    for pool in seen.vitals.pools:
        due = [kind for kind in _startable(seen, pool) if kind.able_nodes]
        if due and pool.in_use < pool.slots and not _claims(seen, pool, due):
            said = f"work is due in pool {pool.name}, {pool.slots - pool.in_use} slots are free, and nobody claims it"
            checks = (CONSUMING, RESTART, DATABASE, HOSTS)
            yield _critical("idle-while-waiting", said, checks, [f"pools/{pool.name}"], _oldest(due))


def _kind_without_node(seen: Seen) -> Iterator[Signal]:
    for pool in seen.vitals.pools:
        for kind in _startable(seen, pool):
            if not kind.able_nodes and seen.vitals.nodes.live and not seen.vitals.nodes.all_drained:
                if agent := agent_of(pool.name):
                    yield _agent_missing(agent, pool.name, kind)
                    continue
                said = f"work of kind {kind.kind} is due, and no live node that takes tasks has a handler for it"
                checks = (
                    "is the plugin that brings it installed where the nodes run",
                    "is that plugin quarantined: the log of the nodes' start names it",
                    "is the kind's name misspelled by who enqueues it in SQL",
                )
                subjects = [f"kinds/{kind.kind}", f"pools/{pool.name}"]
                yield _warning("kind-without-node", said, checks, subjects, kind.oldest_at)


def _agent_missing(agent: str, pool: str, kind: KindWaiting) -> Signal:
    said = f"work of kind {kind.kind} is due for agent {agent}, which is away, drained, or has no handler for it"
    checks = (
        f"does the agent run on its host, and what does its log say: windlass agents show {agent}",
        "can its host reach a server",
        "is the plugin that brings the kind installed there",
    )
    return _warning("agent-missing", said, checks, [f"agents/{agent}", f"pools/{pool}"], kind.oldest_at)


def _backlog(seen: Seen) -> Iterator[Signal]:
    for pool in seen.vitals.pools:
        since = _deep_since(seen, pool)
        before = seen.samples.before(seen.vitals.at, seen.limits.backlog)
        if since is None or before is None or since > before.at or _shrinks(seen, pool, before):
            continue
        slower = f"the log of the kinds in pool {pool.name}: do they take longer than usual"
        checks = (CONSUMING, slower, DATABASE, HOSTS, "has the pool too few slots for what comes in")
        many = "more than 10,000 tasks" if pool.is_more else f"{pool.waiting} tasks"
        said = f"the backlog of pool {pool.name} does not shrink: {many} wait"
        yield _warning("backlog-does-not-shrink", said, checks, [f"pools/{pool.name}"], since)


def _stuck_running(seen: Seen) -> Iterator[Signal]:
    running = [run for run in seen.vitals.runs if run.interrupt_at is None and not run.is_resident]
    late = [
        run
        for run in running
        if run.run_limit is not None and seen.age(run.started_at) >= run.run_limit + seen.limits.overdue
    ]
    if late:
        yield _stuck(
            Severity.CRITICAL, "stuck-running", "run beyond their deadline, and their node does not end them", late
        )
    silent = [run for run in running if run not in late and seen.age(run.last_word_at) >= seen.limits.silent]
    if silent:
        yield _stuck(Severity.WARNING, "stuck-running", "run, and nothing was heard of them for long", silent)


def _stuck_cancelling(seen: Seen) -> Iterator[Signal]:
    limit = seen.limits.cancelling
    stuck = [
        run
        for run in seen.vitals.runs
        if run.interrupt_at is not None and seen.age(run.interrupt_at) >= run.patience + limit
    ]
    if stuck:
        yield _stuck(Severity.CRITICAL, "stuck-cancelling", "were interrupted and do not end", stuck)


def _often_at_the_limit(seen: Seen) -> Iterator[Signal]:
    for ends in seen.vitals.ends:
        if ends.at_limit >= seen.limits.at_limit:
            said = f"{ends.at_limit} of the last {ends.ended} tasks of kind {ends.kind} used up all their attempts"
            checks = (
                _log(ends.kind),
                "is what it needs (a service, a host, a file) away for longer than its retries last",
                HOSTS,
            )
            yield _warning("often-at-the-limit", said, checks, [f"kinds/{ends.kind}"], ends.first_failed_at)


def _many_failed(seen: Seen) -> Iterator[Signal]:
    """By the newest ends; or, where those are soon gone because so much ends, by what was counted."""
    told, counted = seen.vitals.ends, list(_changes(seen))
    first = min((each.first_failed_at for each in told if each.first_failed_at is not None), default=None)
    for failed, ended, since in (
        (Counter({each.kind: each.failed for each in told}), sum(each.ended for each in told), first),
        (Counter({c.kind: c.failed for c in counted}), sum(c.failed + c.succeeded for c in counted), _first(seen)),
    ):
        total = failed.total()
        if total >= seen.limits.failed and total >= seen.limits.failed_share * ended:
            kinds = [kind for kind, times in failed.most_common() if times]
            said = f"{total} of the {ended} tasks that ended lately failed, most of them of kind {kinds[0]}"
            checks = (*map(_log, kinds[:3]), DATABASE, HOSTS)
            yield _warning("many-failed", said, checks, [f"kinds/{kind}" for kind in kinds], since)
            return


def _kind_keeps_failing(seen: Seen) -> Iterator[Signal]:
    counted = {(change.pool, change.kind): change for change in _changes(seen)}
    told = {(ends.pool, ends.kind): ends for ends in seen.vitals.ends}
    for pool, kind in sorted(counted.keys() | told.keys()):
        change, ends = counted.get((pool, kind)), told.get((pool, kind))
        if change is not None and change.succeeded:
            continue
        if ends is not None and ends.streak >= seen.limits.in_a_row:
            said, since = f"the last {ends.streak} tasks of kind {kind} failed", ends.streak_at
        elif change is not None and change.failed + change.retried >= seen.limits.in_a_row:
            said = f"{change.failed + change.retried} attempts of kind {kind} failed, and none succeeded"
            since = _first(seen)
        else:
            continue
        checks = (_log(kind), "what changed: its plugin, its configuration, what it talks to", DATABASE, HOSTS, RESTART)
        yield _warning("kind-keeps-failing", said, checks, [f"kinds/{kind}"], since)


RULES: tuple[Callable[[Seen], Iterator[Signal]], ...] = (
    _no_live_node,
    _node_lost,
    _all_drained,
    _idle_while_waiting,
    _kind_without_node,
    _backlog,
    _stuck_running,
    _stuck_cancelling,
    _often_at_the_limit,
    _many_failed,
    _kind_keeps_failing,
)


class Change(msgspec.Struct, frozen=True):
    """What was counted of a pool and kind since the first sample."""

    pool: str
    kind: str
    succeeded: int
    failed: int
    retried: int


def _changes(seen: Seen) -> Iterator[Change]:
    first = seen.samples.oldest
    if first is None or seen.age(first.at) < COUNTING_SECONDS:
        return
    pools = {pool.name for pool in seen.vitals.pools}
    for now in seen.vitals.counts:
        if now.pool in pools:
            was = first.counts.get((now.pool, now.kind))
            numbers = [getattr(now, name) - getattr(was, name, 0) for name in ("succeeded", "failed", "retried")]
            yield Change(now.pool, now.kind, *numbers)


def _first(seen: Seen) -> datetime | None:
    return seen.samples.oldest.at if seen.samples.oldest is not None else None


def _startable(seen: Seen, pool: PoolVitals) -> list[KindWaiting]:
    """What nothing that an operator did holds back, and what has been due for long enough to be started."""
    if pool.is_paused:
        return []
    kinds = [kind for kind in seen.vitals.waiting if kind.pool == pool.name and not kind.is_paused]
    return [kind for kind in kinds if seen.age(kind.oldest_at) >= seen.limits.idle]


def _claims(seen: Seen, pool: PoolVitals, due: Sequence[KindWaiting]) -> bool:
    """Whether anybody claims from a pool in which something is due."""
    before = seen.samples.before(seen.vitals.at, seen.limits.idle)
    if before is None:
        # One look has nothing to compare with: a pool in which nothing at all is held for long is proof enough.
        return pool.held > 0 or seen.age(_oldest(due)) < 2 * seen.limits.idle
    was = before.pools.get(pool.name)
    return was is None or not was.waiting or _counted(before, pool, "claimed") != _now_counted(seen, pool, "claimed")


def _deep_since(seen: Seen, pool: PoolVitals) -> datetime | None:
    """Since when the pool has had a backlog in every sample; None when it has none, or somebody paused it."""
    kinds = [kind for kind in seen.vitals.waiting if kind.pool == pool.name]
    if pool.is_paused or pool.waiting < seen.limits.backlog_least or all(kind.is_paused for kind in kinds):
        return None
    since = None
    for sample in seen.samples.newest_first():
        was = sample.pools.get(pool.name)
        if was is None or was.waiting < seen.limits.backlog_least:
            break
        since = sample.at
    return since


def _shrinks(seen: Seen, pool: PoolVitals, before: Sample) -> bool:
    if not (pool.is_more and before.pools[pool.name].is_more):
        return pool.waiting < before.pools[pool.name].waiting
    # Nobody counts so many: then it is what came against what was taken.
    taken = _now_counted(seen, pool, "claimed") - _counted(before, pool, "claimed")
    came = sum(_now_counted(seen, pool, name) - _counted(before, pool, name) for name in ("enqueued", "retried"))
    return taken > came


def _counted(sample: Sample, pool: PoolVitals, name: str) -> int:
    return sum(getattr(each, name) for each in sample.counts.values() if each.pool == pool.name)


def _now_counted(seen: Seen, pool: PoolVitals, name: str) -> int:
    return sum(getattr(each, name) for each in seen.vitals.counts if each.pool == pool.name)


def _oldest(kinds: Iterable[KindWaiting]) -> datetime:
    return min(kind.oldest_at for kind in kinds)


def _log(kind: str) -> str:
    return f"the log of kind {kind}: the messages and output of its last failed tasks"


def _stuck(severity: Severity, name: str, what: str, runs: Sequence[RunVitals]) -> Signal:
    kinds = sorted({run.kind for run in runs})
    nodes = sorted({run.node for run in runs})
    checks = (
        f"the log of {'kind' if len(kinds) == 1 else 'the kinds'} {', '.join(kinds[:3])}: what do they wait for",
        f"the nodes that hold them ({', '.join(nodes[:3])}): are they alive, and what do their logs say",
        DATABASE,
        HOSTS,
        RESTART,
    )
    noun = "1 task" if len(runs) == 1 else f"{len(runs)} tasks"
    since = min((at for run in runs if (at := run.interrupt_at or run.last_word_at or run.started_at)), default=None)
    subjects = tuple(f"tasks/{run.task}" for run in runs[:MOST_SUBJECTS])
    return Signal(name, severity, f"{noun} of kind {', '.join(kinds[:3])} {what}", checks, subjects, since)


def _warning(
    name: str, summary: str, checks: tuple[str, ...], subjects: Iterable[str] = (), since: datetime | None = None
) -> Signal:
    return Signal(name, Severity.WARNING, summary, checks, tuple(subjects)[:MOST_SUBJECTS], since)


def _critical(
    name: str, summary: str, checks: tuple[str, ...], subjects: Iterable[str] = (), since: datetime | None = None
) -> Signal:
    return Signal(name, Severity.CRITICAL, summary, checks, tuple(subjects)[:MOST_SUBJECTS], since)
