"""Filters as text: what the chips and the search box of the console write."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.core.fields import TASKS
from windlass.core.filters import parse_filter
from windlass_console import filtering
from windlass_console.listing import Asked

LEVELS = ("priority >= 10", "priority < 5")


def test_terms_are_what_and_joins_outside_of_quotes_and_parentheses() -> None:
    text = 'title:"a AND b" AND (state = RUNNING AND pool = x)  AND kind = ANDROID AND -backup'
    assert filtering.terms(text) == [
        *('title:"a AND b"', "(state = RUNNING AND pool = x)", "kind = ANDROID", "-backup"),
    ]
    assert filtering.terms("  ") == []


def test_a_chip_puts_its_value_among_the_others_and_takes_it_out_again() -> None:
    one = filtering.toggled_choice("pool = x", "state", "RUNNING")
    assert one == "pool = x AND state = RUNNING"
    two = filtering.toggled_choice(one, "state", "PENDING")
    assert two == "pool = x AND state = (RUNNING OR PENDING)"
    assert filtering.chosen(two, "state") == ["RUNNING", "PENDING"]
    assert filtering.toggled_choice(two, "state", "RUNNING") == "pool = x AND state = PENDING"
    assert filtering.toggled_choice(one, "state", "RUNNING") == "pool = x"
    assert filtering.toggled_choice("", "kind", 'od"d*') == 'kind = "od\\"d\\*"'


def test_of_rivals_one_is_on_at_a_time() -> None:
    high = filtering.toggled("pool = x", LEVELS[0], LEVELS)
    assert high == "pool = x AND priority >= 10"
    assert filtering.toggled(high, LEVELS[1], LEVELS) == "pool = x AND priority < 5"
    assert filtering.toggled(high, LEVELS[0], LEVELS) == "pool = x"


@pytest.mark.parametrize(
    ("words", "zone", "filter_"),
    [
        ("12", "UTC", "12"),
        ("#12", "UTC", "id = 12"),
        ("tasks/12", "UTC", "id = 12"),
        ("#cards/12", "UTC", "id = 12"),
        ("backup nightly", "UTC", '"backup" AND "nightly"'),
        ('"two words" -old', "UTC", '"two words" AND -"old"'),
        ("50* AND", "UTC", '"50\\*" AND "AND"'),
        ("2026-03-29", "UTC", "create_time >= 2026-03-29T00:00:00Z AND create_time < 2026-03-30T00:00:00Z"),
        (
            "2026-03-29",  # has 23 hours there
            "Europe/Helsinki",
            "create_time >= 2026-03-28T22:00:00Z AND create_time < 2026-03-29T21:00:00Z",
        ),
        ("9999-12-31", "UTC", '"9999-12-31"'),
        ("2026-02-31", "UTC", '"2026-02-31"'),
    ],
)
def test_the_search_box_understands_numbers_days_and_words(words: str, zone: str, filter_: str) -> None:
    assert filtering.searched(words, ZoneInfo(zone)) == filter_
    parse_filter(filter_, TASKS)


def test_where_words_take_long_a_number_is_an_id_alone() -> None:
    assert filtering.searched('12 "12" x12', UTC, is_number_an_id=True) == 'id = 12 AND "12" AND "x12"'


@given(st.text(max_size=60), st.booleans())
def test_whatever_is_searched_for_can_be_read_by_the_server(words: str, is_number_an_id: bool) -> None:
    parse_filter(filtering.searched(words, UTC, is_number_an_id=is_number_an_id), TASKS)


def test_a_change_leads_to_the_first_page_and_what_is_usual_is_not_in_the_address() -> None:
    asked = Asked(q="backup", filter="state = RUNNING", page="t0ken")
    assert asked.query(filter="") == "?q=backup"
    assert asked.query(page=asked.page) == "?q=backup&filter=state+%3D+RUNNING&page=t0ken"
    assert asked.matching == 'state = RUNNING AND "backup"'
    assert asked.query(q="", filter="") == ""


def test_a_column_is_sorted_up_then_down_then_not() -> None:
    orders = [""]
    for _ in range(3):
        orders.append(Asked(order=orders[-1]).resorted("title"))
    assert orders == ["", "title", "title desc", ""]
    assert Asked(order="title desc").sorted_by("title") == "descending"
