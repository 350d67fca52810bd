"""How the slots of a pool are shared: never more than there are, and fair in the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from windlass.core.shares import Share, fair, is_unsettled, may_fill, next_share, others_may_change

NODES = 5


def idle(node: int, slots: int = 0) -> Share:
    return Share(node, slots, 0, hungry=False)


def full(node: int, slots: int) -> Share:
    return Share(node, slots, slots, hungry=True)


def test_alone_a_node_has_everything() -> None:
    assert fair(40, [idle(7)]) == {7: 40}
    assert next_share(7, 40, [idle(7)]) == 40


def test_an_even_split_gives_what_is_over_to_the_lowest() -> None:
    assert fair(8, [idle(3), idle(1), idle(2)]) == {1: 3, 2: 3, 3: 2}
    assert fair(1, [idle(2), idle(9)]) == {2: 1, 9: 0}


def test_the_hungry_divide_what_the_calm_do_not_use() -> None:
    calm = Share(1, 4, 1, hungry=False)
    assert fair(9, [calm, full(2, 3), full(3, 2)]) == {1: 1, 2: 4, 3: 4}


def test_a_calm_node_keeps_no_more_than_an_even_split() -> None:
    assert fair(8, [Share(1, 8, 8, hungry=False), full(2, 0)]) == {1: 4, 2: 4}


def test_all_hungry_is_an_even_split() -> None:
    assert fair(8, [full(1, 8), full(2, 0)]) == {1: 4, 2: 4}


def test_a_node_gives_up_only_what_it_does_not_use() -> None:
    shares = [Share(1, 8, 6, hungry=True), full(2, 0)]
    assert next_share(1, 8, shares) == 6
    assert may_fill(1, 8, shares) == 4


def test_a_node_takes_only_what_is_free() -> None:
    assert next_share(2, 8, [Share(1, 7, 7, hungry=True), full(2, 0)]) == 1


def test_a_pool_that_shrank_is_not_taken_from_until_it_is_given_back() -> None:
    assert next_share(2, 4, [Share(1, 7, 7, hungry=True), full(2, 0)]) == 0


def test_who_never_asked_is_unsettled_and_who_said_all_is_not() -> None:
    settled = [Share(1, 4, 2, hungry=False), Share(2, 4, 0, hungry=False)]
    assert is_unsettled(3, 8, settled, 0, hungry=False)
    assert not is_unsettled(1, 8, settled, 2, hungry=False)
    assert is_unsettled(1, 8, settled, 3, hungry=False)
    assert is_unsettled(1, 8, settled, 2, hungry=True)
    assert is_unsettled(1, 10, settled, 2, hungry=False)


def test_the_others_are_told_only_when_something_changes_for_them() -> None:
    settled = [Share(1, 4, 2, hungry=False), Share(2, 4, 0, hungry=False)]
    assert not others_may_change(1, 8, settled)
    assert others_may_change(1, 8, [*settled, idle(3)])
    assert others_may_change(2, 8, [full(1, 8), full(2, 0)]), "the first must not fill what it gives back"


class Pool:
    """A pool as stores keep it: nodes ask one at a time, and fill no more than they were told."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.shares: dict[int, Share] = {}
        self.filled: dict[int, int] = {}

    def ask(self, node: int, in_use: int, *, hungry: bool) -> None:
        before = self.shares.get(node, Share(node, 0, 0, hungry=False))
        told = self.shares | {node: Share(node, before.slots, in_use, hungry)}
        slots = next_share(node, self.slots, list(told.values()))
        self.shares[node] = Share(node, slots, in_use, hungry)
        self.filled[node] = may_fill(node, self.slots, list(self.shares.values()))

    def leave(self, node: int) -> None:
        self.shares.pop(node, None)
        self.filled.pop(node, None)

    @property
    def total(self) -> int:
        return sum(share.slots for share in self.shares.values())

    def say(self, node: int, wants: int) -> tuple[int, bool]:
        """What a node with so much work runs, and whether it could run more."""
        fills = self.filled.get(node, 0)
        return min(wants, fills), wants > fills

    def settle(self, appetites: dict[int, int]) -> None:
        """Everybody looks, and asks when he has a reason to, until nothing changes."""
        for _ in range(20):
            before = (dict(self.shares), dict(self.filled))
            for node, wants in appetites.items():
                in_use, hungry = self.say(node, wants)
                if is_unsettled(node, self.slots, list(self.shares.values()), in_use, hungry=hungry):
                    self.ask(node, in_use, hungry=hungry)
                self.filled[node] = may_fill(node, self.slots, list(self.shares.values()))
            if before == (self.shares, self.filled):
                return
        raise AssertionError(f"they never settle: {self.shares}")


Step = tuple[str, int, int, bool]
STEPS = st.tuples(
    st.sampled_from(["ask", "ask", "ask", "leave"]), st.integers(1, NODES), st.integers(0, 12), st.booleans()
)


@given(st.integers(0, 12), st.lists(STEPS, max_size=40))
def test_no_history_of_asking_coming_and_going_gives_away_more_than_there_is(slots: int, steps: list[Step]) -> None:
    pool = Pool(slots)
    for what, node, wants, hungry in steps:
        if what == "leave":
            pool.leave(node)
        else:
            pool.ask(node, min(wants, pool.filled.get(node, 0)), hungry=hungry)
        assert pool.total <= slots
        assert all(0 <= filled <= pool.shares[node].slots for node, filled in pool.filled.items())


@given(st.lists(st.integers(0, 12), min_size=2, max_size=6), st.lists(STEPS, max_size=30))
def test_after_the_pool_shrank_the_shares_only_fall_until_they_fit(sizes: list[int], steps: list[Step]) -> None:
    pool = Pool(sizes[0])
    pending = list(steps)
    for size in sizes[1:]:
        pool.slots = size
        for what, node, wants, hungry in pending[:8]:
            before = pool.total
            if what == "leave":
                pool.leave(node)
            else:
                pool.ask(node, min(wants, pool.filled.get(node, 0)), hungry=hungry)
            assert pool.total <= max(before, size)
        pending = pending[8:]


@given(
    st.integers(0, 12),
    st.lists(STEPS, max_size=20),
    st.dictionaries(st.integers(1, NODES), st.integers(0, 20), min_size=1, max_size=NODES),
)
def test_from_any_history_they_settle_and_nothing_that_is_wanted_lies_idle(
    slots: int, steps: list[Step], appetites: dict[int, int]
) -> None:
    pool = Pool(slots)
    for what, node, wants, hungry in steps:
        if what == "ask":
            pool.ask(node, min(wants, pool.filled.get(node, 0)), hungry=hungry)
    for node in set(pool.shares) - set(appetites):
        pool.leave(node)
    pool.settle(appetites)
    assert pool.total <= slots
    running = {node: min(wants, pool.filled[node]) for node, wants in appetites.items()}
    assert sum(running.values()) == min(slots, sum(appetites.values()))
    even = slots // len(appetites)
    assert all(running[node] >= min(wants, even) for node, wants in appetites.items()), "somebody has less than is fair"
