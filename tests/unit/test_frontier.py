"""Where claims go on, and what pulls them back; times in seconds, as numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from windlass.store.postgres.frontier import GO_BACK_SECONDS, LOOK_SECONDS, Frontier

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DEADLINE = 30.0


def seen(*rows: tuple[int, datetime], xmin: str = "7") -> dict[str, Any]:
    return {"xmin": xmin, "seen": [[priority, at.timestamp()] for priority, at in rows] or None}


def marks(frontier: Frontier, now: float) -> dict[int, tuple[datetime, int]]:
    asked = frontier.ask(now)
    return dict(zip(asked["priorities"], zip(asked["ats"], asked["ids"], strict=True), strict=True))


def test_the_first_claim_looks_at_everything() -> None:
    assert Frontier(DEADLINE).ask(0.0) == {"since": "0", "priorities": [], "ats": [], "ids": []}


def test_a_claim_goes_on_behind_the_last_row_taken() -> None:
    frontier = Frontier(DEADLINE)
    frontier.ask(0.0)
    frontier.learn(seen((5, NOON)), [(5, NOON, 1), (5, NOON, 2)], sparse=False)
    assert marks(frontier, 0.01) == {5: (NOON, 2)}


def test_priorities_are_asked_from_the_highest() -> None:
    frontier = Frontier(DEADLINE)
    frontier.ask(0.0)
    frontier.learn(seen((1, NOON), (9, NOON), (5, NOON)), [], sparse=False)
    assert frontier.ask(0.01)["priorities"] == [9, 5, 1]


def test_a_busy_claimer_looks_only_now_and_then_and_a_sparse_one_each_time() -> None:
    frontier = Frontier(DEADLINE)
    frontier.ask(0.0)
    frontier.learn(seen(), [], sparse=False)
    assert frontier.ask(LOOK_SECONDS / 2)["since"] is None
    assert frontier.ask(LOOK_SECONDS * 2)["since"] == "7"
    frontier.learn(seen(xmin="9"), [], sparse=True)
    assert frontier.ask(LOOK_SECONDS * 2.1)["since"] == "9"


def test_a_row_that_arrived_behind_the_frontier_pulls_it_back() -> None:
    frontier = Frontier(DEADLINE)
    frontier.ask(0.0)
    frontier.learn(seen((5, NOON)), [(5, NOON + timedelta(seconds=9), 900)], sparse=True)
    frontier.learn(seen((5, NOON)), [], sparse=True)
    at, id_ = marks(frontier, 0.01)[5]
    assert (at, id_) < (NOON, 1)


def test_a_row_ahead_of_the_frontier_does_not_push_it_forward() -> None:
    frontier = Frontier(DEADLINE)
    frontier.ask(0.0)
    frontier.learn(seen((5, NOON)), [(5, NOON, 1)], sparse=True)
    frontier.learn(seen((5, NOON + timedelta(hours=1))), [], sparse=True)
    assert marks(frontier, 0.01)[5] == (NOON, 1)


def test_after_an_error_it_starts_over() -> None:
    frontier = Frontier(DEADLINE)
    frontier.ask(0.0)
    frontier.learn(seen((5, NOON)), [(5, NOON, 1)], sparse=False)
    frontier.forget()
    assert frontier.ask(0.01)["since"] == "0"
    assert marks(frontier, 0.02) == {}


def test_it_goes_back_to_before_any_claim_that_could_still_be_open() -> None:
    frontier, now = Frontier(DEADLINE), 0.0
    frontier.ask(now)
    frontier.learn(seen((5, NOON)), [(5, NOON, 1)], sparse=False)
    went_back: list[float] = []
    while now < DEADLINE + 3 * GO_BACK_SECONDS:
        now += 1.0
        if marks(frontier, now)[5] <= (NOON + timedelta(seconds=GO_BACK_SECONDS), 100):
            went_back.append(now)
        frontier.learn(None, [(5, NOON + timedelta(seconds=now), int(now))], sparse=False)
    assert [at for at in went_back if at > GO_BACK_SECONDS + 1], "what was passed over at the start stays behind"
    assert all(at <= GO_BACK_SECONDS + 1 or at > DEADLINE for at in went_back)
