"""The hot statements' parameters: one array literal for each column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from windlass.store.facts import Ended, NewTask, Said
from windlass.store.pools import KindFacts
from windlass.store.postgres.arrays import booleans, digests, few, ids, numbers, texts

# unnest fills a shorter array up with nulls: what nobody asked for costs nothing.
NOTHING = "{}"


def asked(tasks: Sequence[NewTask]) -> dict[str, Any]:
    """For enqueue_tasks.sql and put_tasks.sql."""
    return {
        "kinds": few([t.kind for t in tasks]),
        "titles": few([t.title for t in tasks]),
        "priorities": few([t.priority for t in tasks]),
        "pools": few([t.pool for t in tasks]),
        "triggers": few([t.trigger for t in tasks]),
        "origins": few([t.origin for t in tasks]),
        "initiators": few([t.initiator for t in tasks]),
        "labels": few([t.labels for t in tasks]),
        "payloads": texts([t.payload for t in tasks]),
        "attempt_limits": few([t.attempt_limit for t in tasks]),
        "retry_pauses": few([t.retry_pause for t in tasks]),
        "delays": few([t.delay for t in tasks]),
        "request_ids": ids([t.request_id for t in tasks]),
        "body_hashes": digests([t.body_hash for t in tasks]),
        "slot_keys": _rare([t.slot_key for t in tasks]),
        "slot_limits": _rare([t.slot_limit for t in tasks]),
        "start_withins": _rare([t.start_within for t in tasks]),
        "run_limits": _rare([t.run_limit for t in tasks]),
        "silence_limits": _rare([t.silence_limit for t in tasks]),
        "parents": _rare([t.parent for t in tasks]),
        "retry_ofs": _rare([t.retry_of for t in tasks]),
        "traces": _rare([t.trace for t in tasks]),
    }


def put(tasks: Sequence[NewTask]) -> dict[str, Any]:
    """For put_tasks.sql."""
    return asked(tasks) | {
        "coalesce_keys": texts(t.coalesce_key for t in tasks),
        "joins_running": booleans(t.joins_running for t in tasks),
        "are_blocked": booleans(bool(t.after) for t in tasks),
    }


def dependencies(made: Iterable[tuple[int, NewTask]]) -> dict[str, Any]:
    """For put_dependencies.sql: the new tasks that wait for others."""
    pairs = [(id_, other, task.after_success) for id_, task in made for other in task.after]
    return {
        "tasks": numbers(id_ for id_, _, _ in pairs),
        "waits_for": numbers(other for _, other, _ in pairs),
        "need_success": booleans(needs for _, _, needs in pairs),
    }


def told(said: Sequence[Said]) -> dict[str, Any]:
    """For say.sql."""
    return _marks(said) | _lines(said) | _chunks(said)


def _marks(said: Sequence[Said]) -> dict[str, Any]:
    progress = [s.progress for s in said]
    return {
        "tasks": numbers(s.task for s in said),
        "attempts": numbers(s.attempt for s in said),
        "started_ages": numbers(s.started_age for s in said),
        "stages": texts(s.stage for s in said),
        "progress_sequences": numbers(None if p is None else p.sequence for p in progress),
        "progress_ages": numbers(None if p is None else p.age for p in progress),
        "currents": numbers(None if p is None else p.current for p in progress),
        "totals": numbers(None if p is None else p.total for p in progress),
    }


def _lines(said: Sequence[Said]) -> dict[str, Any]:
    lines = list(chain.from_iterable(s.lines for s in said))
    return {
        "line_tasks": numbers(s.task for s in said for _ in s.lines),
        "line_sequences": numbers(line.sequence for line in lines),
        "line_ages": numbers(line.age for line in lines),
        "line_types": numbers(line.type for line in lines),
        "line_texts": texts(line.text for line in lines),
        "line_data": texts(line.data for line in lines),
    }


def _chunks(said: Sequence[Said]) -> dict[str, Any]:
    chunks = list(chain.from_iterable(s.chunks for s in said))
    return {
        "chunk_tasks": numbers(s.task for s in said for _ in s.chunks),
        "chunk_sequences": numbers(chunk.sequence for chunk in chunks),
        "chunk_ages": numbers(chunk.age for chunk in chunks),
        "chunk_streams": numbers(chunk.stream for chunk in chunks),
        "chunk_data": [chunk.data for chunk in chunks],
        "chunk_dropped": numbers(chunk.dropped for chunk in chunks),
    }


def finished(ended: Sequence[Ended]) -> dict[str, Any]:
    """For finish_tasks.sql."""
    return {
        "tasks": numbers(e.task for e in ended),
        "attempts": numbers(e.attempt for e in ended),
        "verdicts": numbers(e.verdict.value for e in ended),
        "started_ages": numbers(e.started_age for e in ended),
        "ended_ages": numbers(e.ended_age for e in ended),
        "messages": texts(e.message for e in ended),
        "results": texts(e.result for e in ended),
        "pauses": numbers(e.pause for e in ended),
    }


def kinds(facts: Sequence[KindFacts]) -> dict[str, Any]:
    """For register_kinds.sql and name_kinds.sql."""
    return {
        "names": [kind.name for kind in facts],
        "pools": [kind.pool for kind in facts],
        "attempts": [kind.attempts for kind in facts],
        "pauses": [kind.pause for kind in facts],
        "start_withins": [kind.start_within for kind in facts],
        "run_limits": [kind.run_limit for kind in facts],
        "silence_limits": [kind.silence_limit for kind in facts],
        "joins_running": [kind.joins_running for kind in facts],
    }


def _rare(values: Sequence[str | float | None]) -> str:
    return NOTHING if values.count(None) == len(values) else few(values)
