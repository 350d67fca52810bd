"""Both stores keep documents alike, whatever is put, expected, kept and deleted, by whom and how often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from windlass.core.lifecycle import Verdict
from windlass.store.documents import NewDocument
from windlass.store.facts import Ended, NodeFacts, Parent
from windlass.store.postgres import connection

from tests.contract.facts import new_task
from tests.contract.pair import Ask, Pair

HISTORIES, STEPS = 25, 30
LEASE = 1e6

names = st.sampled_from(("a", "a/b", "b"))
expectations = st.sampled_from((None, None, 0, 1, 2))
attempts = st.sampled_from((None, None, 0, 1))
"""Which of two attempts writes; None: somebody else."""


class Keeping(RuleBasedStateMachine):
    def __init__(self, pair: Pair) -> None:
        super().__init__()
        pair.begin()
        self.both = pair.both
        self.pass_time = pair.pass_time

    @initialize()
    def two_attempts_run(self) -> None:
        self.node = self.both(lambda store: store.cluster.join(NodeFacts("h/1", "m", 1, 1, ("Noop",)), LEASE))
        self.both(lambda store: store.queue.enqueue([new_task(), new_task()]))
        claimed = self.both(
            lambda store: store.queue.claim(self.node, "default", ("Noop",), 2), sort=lambda one: one.id
        )
        self.attempts = [Parent(one.id, one.attempt, self.node) for one in claimed]

    @rule(name=names, expected=expectations, keep=st.integers(1, 3), put_id=st.integers(1, 5), by=attempts)
    def put(self, name: str, expected: int | None, keep: int, put_id: int, by: int | None) -> None:
        new = NewDocument("p", name, f"[{put_id}]", f"{by}", UUID(int=put_id), expected, keep)
        self.both(lambda store: store.documents.put(new, self.attempt(by)))
        self.read(name)

    @rule(name=names, expected=expectations, by=attempts)
    def delete(self, name: str, expected: int | None, by: int | None) -> None:
        self.both(lambda store: store.documents.delete("p", name, expected, self.attempt(by)))
        self.read(name)

    @rule(which=st.sampled_from((0, 0, 0, 1)))
    def an_attempt_ends(self, which: int) -> None:
        self.pass_time(1)
        if which:
            ended = Ended(self.attempts[1].task, self.attempts[1].attempt, Verdict.SUCCESS, 0.0)
            self.both(lambda store: store.queue.finish(self.node, [ended]))

    def read(self, name: str) -> None:
        for version in (None, 1, 2, 3):
            self.both(_asked("get", name, version))
        self.both(_asked("list", "a", "", 10))

    def attempt(self, by: int | None) -> Parent | None:
        return None if by is None else self.attempts[by]


def _asked(what: str, *words: Any) -> Ask:
    return lambda store: getattr(store.documents, what)("p", *words)


@pytest.fixture
def pair(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    # Planning takes longer than running, in tables this small.
    monkeypatch.setitem(connection.SETTINGS, "plan_cache_mode", "force_generic_plan")
    opened = Pair(dsn)
    yield opened
    opened.close()


def test_both_stores_keep_documents_alike(pair: Pair) -> None:
    profile = settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )

    class KeepingOfThisPair(Keeping):
        def __init__(self) -> None:
            super().__init__(pair)

    run_state_machine_as_test(KeepingOfThisPair, settings=profile)
