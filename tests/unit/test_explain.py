"""Why a task does not run, in words: each gate alone, and all of them in the order in which a task meets them."""

from __future__ import annotations

from typing import Any

import pytest
from windlass.core.explain import Gate, GateKind, gates
from windlass.store.facts import Standing

FREE: dict[str, Any] = {
    "id": 100,
    "kind": "Noop",
    "pool": "default",
    "priority": 5,
    "seconds_to_due": 0.0,
    "waits": None,
    "is_claimed": False,
    "slots": 4,
    "busy": (),
    "pool_paused_by": None,
    "kind_paused_by": None,
    "live_nodes": 2,
    "able_nodes": 1,
    "slot_key": None,
    "slot_limit": None,
    "key_holders": (),
    "waits_for": (),
    "twin": None,
    "ahead": 0,
    "draining_nodes": 0,
}
SHUT: dict[str, Any] = {
    "seconds_to_due": 61.0,
    "busy": (1, 2, 3, 4),
    "pool_paused_by": "ada",
    "kind_paused_by": "bea",
    "able_nodes": 0,
    "slot_key": "host-1",
    "slot_limit": 1,
    "key_holders": (7,),
    "waits_for": (8, 9),
    "twin": 6,
    "ahead": 3,
}


def explained(**facts: Any) -> list[Gate]:
    return gates(Standing(**(FREE | facts)))


def only(**facts: Any) -> Gate:
    [gate] = explained(**facts)
    return gate


def test_a_task_that_nothing_holds_has_no_gates() -> None:
    assert explained() == []


@pytest.mark.parametrize(
    ("kind", "why", "clears", "tasks", "facts"),
    [
        (
            GateKind.DEPENDENCIES,
            "it waits for the end of task 8",
            "their end, or an interrupt",
            (8,),
            {"waits_for": (8,)},
        ),
        (
            GateKind.TWIN,
            "task 6 with the same coalesce key is under way; this one is served after it",
            "the end of task 6",
            (6,),
            {"twin": 6},
        ),
        (GateKind.NOT_DUE, "it is due in 61 s", "time", (), {"seconds_to_due": 61.0}),
        (GateKind.KIND_PAUSED, "kind Noop was paused by bea", "resuming kind Noop", (), {"kind_paused_by": "bea"}),
        (
            GateKind.POOL_PAUSED,
            "pool default was paused by ada",
            "resuming pool default",
            (),
            {"pool_paused_by": "ada"},
        ),
        (
            GateKind.NO_NODE,
            "none of the 2 live nodes has kind Noop",
            "starting a node with its plugin",
            (),
            {"able_nodes": 0},
        ),
        (
            GateKind.NO_NODE,
            "the one live node that has kind Noop is drained",
            "resuming it, or starting another",
            (),
            {"able_nodes": 0, "draining_nodes": 1},
        ),
        (
            GateKind.NO_NODE,
            "all 2 live nodes that have kind Noop are drained",
            "resuming one of them, or starting another",
            (),
            {"able_nodes": 0, "draining_nodes": 2},
        ),
        (
            GateKind.KEY_BUSY,
            "task 7 of concurrency key 'host-1' run; its limit is 1",
            "the end of one of them",
            (7,),
            {"slot_key": "host-1", "slot_limit": 1, "key_holders": (7,)},
        ),
        (
            GateKind.POOL_FULL,
            "all 2 slots of pool default are taken by 2 tasks (1, 2)",
            "the end of one of them, or more slots",
            (1, 2),
            {"slots": 2, "busy": (1, 2)},
        ),
        (GateKind.POOL_FULL, "there is no pool default", "configuring pool default on a node", (), {"slots": None}),
        (GateKind.POOL_FULL, "pool default has no slots", "giving it some", (), {"slots": 0}),
        (
            GateKind.AHEAD,
            "1 task comes before it in pool default (its priority is 5)",
            "their start, or a higher priority",
            (),
            {"ahead": 1},
        ),
        (
            GateKind.CLAIMED,
            "a node has claimed it and starts it when a slot is free",
            "nothing to do",
            (),
            {"is_claimed": True},
        ),
    ],
)
def test_each_gate_alone_says_why_and_what_clears_it(
    kind: GateKind, why: str, clears: str, tasks: tuple[int, ...], facts: dict[str, Any]
) -> None:
    assert only(**facts) == Gate(kind, why, clears, tasks)


def test_a_drained_node_is_no_gate_while_another_takes_the_kind() -> None:
    assert explained(able_nodes=1, draining_nodes=1) == []


def test_all_gates_come_in_the_order_of_their_kinds() -> None:
    found = [gate.kind for gate in explained(**SHUT)]
    assert found == [kind for kind in GateKind if kind is not GateKind.CLAIMED]


def test_a_claimed_task_has_passed_them_all() -> None:
    assert [gate.kind for gate in explained(**SHUT, is_claimed=True)] == [GateKind.CLAIMED]


def test_no_more_than_a_few_tasks_are_named() -> None:
    gate = only(busy=tuple(range(1, 41)), slots=40)
    assert gate.tasks == (1, 2, 3, 4, 5)
    assert gate.why.endswith("taken by 40 tasks (1, 2, 3, 4, 5, …)")
    assert only(waits_for=tuple(range(1, 41))).tasks == (1, 2, 3, 4, 5)


def test_a_key_or_a_pool_with_room_is_no_gate() -> None:
    assert explained(slot_key="s", slot_limit=2, key_holders=(1,), busy=(1, 2, 3)) == []


def test_without_any_node_it_says_so() -> None:
    assert only(live_nodes=0, able_nodes=0).why == "no node is alive, so none has kind Noop"


def test_many_before_it_are_not_counted_to_the_end() -> None:
    assert only(ahead=1_000).why.startswith("1000 tasks come")
    assert only(ahead=1_001).why.startswith("more than 1000 tasks come")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "less than a second"),
        (1.0, "1 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (7_199.0, "120 min"),
        (7_200.0, "2 h"),
        (172_799.0, "48 h"),
        (172_800.0, "2 days"),
    ],
)
def test_a_time_to_wait_is_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert only(seconds_to_due=seconds).why == f"it is due in {words}"
