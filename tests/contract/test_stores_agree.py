"""The memory store models PostgreSQL: both are taken through the same steps, and every answer is compared.

100 histories of 40 steps in CI; `make machine` takes 2,000 of 60 (HISTORIES, STEPS).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from windlass.store.postgres import connection, frontier

from tests.contract.history import Histories
from tests.contract.pair import Pair

HISTORIES = int(os.environ.get("HISTORIES", "100"))
STEPS = int(os.environ.get("STEPS", "40"))
SHRINK = bool(os.environ.get("SHRINK"))
"""Whether a history that tells the stores apart is made as short as can be; that may take minutes."""


@pytest.fixture
def pair(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    # Planning takes longer than running, in tables this small.
    monkeypatch.setitem(connection.SETTINGS, "plan_cache_mode", "force_generic_plan")
    # A claim may pass over what arrived in the last tenth of a second; here each looks.
    monkeypatch.setattr(frontier, "LOOK_SECONDS", -1.0)
    opened = Pair(dsn)
    yield opened
    opened.close()


@pytest.mark.timeout(0)
def test_both_stores_answer_every_step_of_every_history_alike(pair: Pair):
    profile = settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink) if SHRINK else (Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )

    class HistoriesOfThisPair(Histories):
        def __init__(self) -> None:
            super().__init__(pair)

    run_state_machine_as_test(HistoriesOfThisPair, settings=profile)
