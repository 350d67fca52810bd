"""Both stores understand every filter and every order alike: what people wrote, and what nobody would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from windlass.core.fields import Section
from windlass.core.filters import parse_filter
from windlass.core.orders import parse_order
from windlass.store.port import Store
from windlass.store.postgres import frontier

from tests.contract.asking import filters_of, orders_of, populate
from tests.contract.pair import Pair

FILTERS = int(os.environ.get("FILTERS", "250"))
SCOPES = st.sampled_from((frozenset(), frozenset(), frozenset({"default"}), frozenset({"other", "none"})))
profile = settings(
    max_examples=FILTERS, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def pair(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    # A claim may pass over what arrived in the last tenth of a second; here each looks.
    monkeypatch.setattr(frontier, "LOOK_SECONDS", -1.0)
    opened = Pair(dsn)
    try:
        populate(opened)
        yield opened
    finally:
        opened.close()


def pages(pair: Pair, ask: Callable[[Store, Any], Any]) -> list[int]:
    """Every id, page by page; both stores give the same pages and the same places."""
    found: list[int] = []
    after: Any = None
    while True:

        async def look(store: Store, after: Any = after) -> Any:
            page = await ask(store, after)
            return [facts.id for facts in page.items], page.after

        ids, after = pair.both(look)
        found += ids
        if after is None:
            return found
        assert len(found) <= len(pair.world.tasks), "the pages never end"


@pytest.mark.timeout(0)
@pytest.mark.parametrize("section", [Section.ACTIVE, Section.CARDS])
def test_both_stores_find_the_same_on_the_same_pages_for_every_filter_and_order(pair: Pair, section: Section) -> None:
    seen: set[int] = set()

    @profile
    @given(filters_of(section.fields), orders_of(section.fields), st.sampled_from((1, 3, 7, 100)), SCOPES)
    def agree(text: str, sorting: str, size: int, pools: frozenset[str]) -> None:
        chosen, order = parse_filter(text, section.fields), parse_order(sorting, section.fields)

        def ask(store: Store, after: Any) -> Any:
            if section is Section.ACTIVE:
                return store.library.active(size, after, chosen, order, pools)
            return store.library.cards(size, after, None, chosen, order, pools)

        found = pages(pair, ask)
        assert len(found) == len(set(found))
        ids = pair.both(lambda store: store.library.ids_matching(chosen, section, 0, 1_000, pools))
        assert ids == sorted(found)
        count = pair.both(lambda store: store.library.count_matching(chosen, section, 5, pools))
        assert count == min(len(ids), 6)
        seen.add(len(ids))

    agree()
    assert len(seen) > 8, "the filters tell too little apart"


@pytest.mark.timeout(0)
def test_both_stores_find_the_same_among_what_has_ended(pair: Pair) -> None:
    @settings(profile, max_examples=FILTERS // 5)
    @given(filters_of(Section.ENDED.fields), st.integers(0, 30), st.sampled_from((1, 5, 100)))
    def agree(text: str, after: int, limit: int) -> None:
        chosen = parse_filter(text, Section.ENDED.fields)
        found = pair.both(lambda store: store.library.ids_matching(chosen, Section.ENDED, after, limit))
        assert all(id_ > after and id_ in pair.world.over for id_ in found)

    agree()
