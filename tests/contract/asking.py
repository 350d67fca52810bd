"""Tasks that differ in everything a filter can ask for, and filters and orders that ask for all of it."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from windlass.core.fields import Fields, Type
from windlass.core.lifecycle import Verdict
from windlass.core.sequence import sequence
from windlass.store.facts import Asked, Ended, NewTask, NodeFacts, Progress, Said
from windlass.store.port import Store

from tests.contract.facts import new_task
from tests.contract.pair import START, Pair

TEXTS = (
    "",
    "Noop",
    "Odd",
    "a",
    "B",
    "aB",
    "Backup of db-1",
    "100%",
    "a_b",
    "2*3",
    "back\\slash",
    'say "hi"',
    "ÄÖ äö",
    "żółw",
)
LABELS: tuple[dict[str, str], ...] = (
    {},
    {"tenant": "acme"},
    {"tenant": "Acme"},
    {"tenant": "", "a.b/c": "x"},
    {"empty": ""},
    {"tenant": "a%"},
)
PAYLOADS: tuple[Any, ...] = (
    {},
    5,
    "text",
    [1, "x"],
    {"n": 5, "text": "db-1", "flag": True},
    {"n": 5.0, "text": "DB-1", "flag": False, "list": ["x", 5, "db-1", None, True, [1]]},
    {"n": -3.25, "text": "", "flag": None, "deep": {"er": {"n": 12345678901234567890}}},
    {"n": "5", "text": 5, "flag": "true", "list": [], "deep": {"er": "a"}},
    {"n": None, "list": [5, {"x": 1}], "deep": ["er"], "0": "zero"},
)
VERDICTS = (Verdict.SUCCESS, Verdict.FAILED, Verdict.RETRY, Verdict.RETURNED)
TIMES = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:10:00Z",
    "2026-01-01T01:00:00Z",
    "2025-12-31",
    "ago(0s)",
    "ago(10m)",
    "ago(-1h)",
)
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", ":")


def populate(pair: Pair) -> None:
    """Tasks in every state, made at different times."""
    node = pair.both(lambda store: store.cluster.join(NodeFacts("host/1", "m", 1, 1, ("Noop", "Odd")), 1e6))
    for n in range(36):
        task = _task(n, list(pair.world.tasks))
        pair.both(partial(_enqueue, task))
        pair.pass_time(60)
        if n % 4 == 3:
            _work(pair, node, n)
    for id_ in list(pair.world.running)[:2] + [place.id for place in pair.world.waiting][:2]:
        pair.both(partial(_interrupt, id_))


def _task(n: int, known: list[int]) -> NewTask:
    return new_task(
        kind=("Noop", "Odd")[n % 2],
        title=TEXTS[n % len(TEXTS)],
        priority=(1, 5, 9)[n % 3],
        pool=("default", "other")[n % 5 == 0],
        trigger=("api", "schedule")[n % 7 == 0],
        origin=1 + n % 2,
        initiator=("ada", "eve")[n % 3 == 0],
        labels=as_stored(LABELS[n % len(LABELS)]),
        payload=as_stored(PAYLOADS[n % len(PAYLOADS)]),
        attempt_limit=(None, 3, 1)[n % 3],
        retry_pause=(None, 1.5)[n % 2],
        delay=(0.0, 0.0, 3_600.0)[n % 3],
        coalesce_key=(None, f"k{n}")[n % 4 == 0],
        parent=known[n // 2] if n % 5 == 4 else None,
        retry_of=known[n // 3] if n % 6 == 5 else None,
    )


def _work(pair: Pair, node: int, n: int) -> None:
    pool = ("default", "other")[n % 8 == 3]
    claimed = pair.both(lambda store: store.queue.claim(node, pool, ("Noop", "Odd"), 3), sort=lambda one: one.id)
    for place, one in enumerate(claimed):
        progress = Progress(sequence(one.attempt, 10), 0, place, (None, 0, 10)[place % 3]) if place else None
        words = Said(one.id, one.attempt, 1.0, (None, "reads", "Writes")[(n + place) % 3], progress)
        pair.both(partial(_say, node, words))
    for place, one in enumerate(claimed[1:]):
        verdict = VERDICTS[(n + place) % len(VERDICTS)]
        result = as_stored(PAYLOADS[(n + place) % len(PAYLOADS)])
        message = TEXTS[(n + place) % len(TEXTS)]
        end = Ended(one.id, one.attempt, verdict, 1.0, 0.0, message, result, 30.0 * place)
        pair.both(partial(_finish, node, end))


def _enqueue(task: NewTask, store: Store) -> Any:
    return store.queue.enqueue([task])


def _interrupt(task: int, store: Store) -> Any:
    return store.queue.interrupt(Asked(task, "eve", ""))


def _say(node: int, words: Said, store: Store) -> Any:
    return store.queue.say(node, [words])


def _finish(node: int, end: Ended, store: Store) -> Any:
    return store.queue.finish(node, [end])


def as_stored(value: Any) -> str:
    """JSON text as jsonb gives it back: shorter keys first."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key))
        return "{" + ", ".join(f"{json.dumps(key)}: {as_stored(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_stored, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'"{escaped}"'


_words = st.sampled_from(TEXTS).map(quoted)
_parts = st.sampled_from(("a", "b", "B", "db", "-1", "%", "_", "ö", "Ö", "o", " ", "\\\\"))
_starred = st.lists(_parts | st.just("*"), min_size=1, max_size=4).map(lambda parts: f'"{"".join(parts)}"')
texts = _words | _starred
numbers = st.sampled_from(("0", "1", "2", "5", "5.0", "9", "10", "-3.25", "4.5", "1e1", "12345678901234567890"))
entries = st.integers(1, 40).map(str)
times = st.sampled_from(TIMES) | st.integers(0, 2_400).map(lambda s: (START + timedelta(seconds=s)).isoformat())


def _comparison(fields: Fields, name: str) -> st.SearchStrategy[str]:
    field = fields.by_name[name]
    operators = st.sampled_from(OPERATORS)
    match field.type:
        case Type.TEXT:
            ordered = st.builds(lambda o, v: f"{name} {o} {v}", st.sampled_from(("<", "<=", ">", ">=")), _words)
            return ordered | st.builds(lambda o, v: f"{name} {o} {v}", st.sampled_from(("=", "!=", ":")), texts)
        case Type.CHOICE:
            words = st.sampled_from(sorted(field.choices))
            return st.builds(lambda o, v: f"{name} {o} {v}", st.sampled_from(("=", "!=", ":")), words)
        case Type.ENTRY:
            return st.builds(lambda o, v: f"{name} {o} {v}", operators, entries)
        case Type.NUMBER:
            return st.builds(lambda o, v: f"{name} {o} {v}", operators, numbers)
        case Type.TIME:
            return st.builds(lambda o, v: f"{name} {o} {v}", operators, times)
        case Type.DURATION:
            return st.builds(lambda o, v: f"{name} {o} {v}", operators, st.sampled_from(("1s", "1.5s", "0s", "2h")))
        case Type.LABELS:
            paths = st.sampled_from(("labels.tenant", 'labels."a.b/c"', "labels.empty", "labels.none"))
            asked = st.builds(lambda p, o, v: f"{p} {o} {v}", paths, st.sampled_from(("=", "!=", ":")), texts)
            return asked | st.builds(lambda p, o, v: f"{p} {o} {v}", paths, st.sampled_from(("<", ">=")), _words)
        case Type.JSON:
            return _json(name)


def _json(name: str) -> st.SearchStrategy[str]:
    paths = st.sampled_from((".n", ".text", ".flag", ".list", ".deep.er", ".deep.er.n", ".0", '."0"', ".none")).map(
        lambda path: name + path
    )
    values = numbers | st.sampled_from(("true", "false")) | texts
    plain = st.builds(lambda p, o, v: f"{p} {o} {v}", paths, st.sampled_from(("=", "!=", ":")), values)
    ordered = st.builds(
        lambda p, o, v: f"{p} {o} {v}", paths, st.sampled_from(("<", "<=", ">", ">=")), numbers | _words
    )
    keys = st.sampled_from(("n", "list", "none")).map(lambda key: f"{name}:{key}")
    return plain | ordered | keys | st.builds(lambda o, v: f"{name} {o} {v}", st.sampled_from(("=", "!=")), values)


def _presence(fields: Fields) -> st.SearchStrategy[str]:
    inner = ("labels.tenant", "payload.n", "payload.flag", "payload.deep.er", "result.list")
    return st.sampled_from((*sorted(fields.by_name), *inner)).map(lambda name: f"{name}:*")


def filters_of(fields: Fields) -> st.SearchStrategy[str]:
    """Texts of filters that can be read."""
    one = st.one_of([_comparison(fields, name) for name in sorted(fields.by_name)])
    words = st.sampled_from(("odd", "DB", "7", '"100%"', "ö"))
    leaf = st.one_of(one, one, one, _presence(fields), words)
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(lambda text: f"NOT ({text})"),
            inner.map(lambda text: f"-({text})"),
            st.lists(inner, min_size=2, max_size=3).map(lambda texts: " AND ".join(f"({text})" for text in texts)),
            st.lists(inner, min_size=2, max_size=3).map(lambda texts: " OR ".join(f"({text})" for text in texts)),
        ),
        max_leaves=5,
    )


def orders_of(fields: Fields) -> st.SearchStrategy[str]:
    """Texts of orders, the list's own more often than not."""
    names = sorted(name for name, field in fields.by_name.items() if field.has_order and name != "name")
    terms = st.builds(lambda name, down: name + " desc" * down, st.sampled_from(names), st.booleans())
    some = st.lists(terms, min_size=1, max_size=3, unique_by=lambda term: term.split()[0]).map(", ".join)
    return st.just("") | some
