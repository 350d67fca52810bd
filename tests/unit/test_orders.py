"""What a list is sorted by."""

from __future__ import annotations

import pytest
from windlass.core.fields import CARDS, TASKS
from windlass.core.orders import OWN, parse_order
from windlass.errors import OrderInvalid


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("create_time desc, priority", ["-create_time", "priority", "id"]),
        ("priority desc", ["-priority", "-id"]),
        ("  priority   asc ,title", ["priority", "title", "id"]),
        ("id desc, kind", ["-id"]),
        ("name", ["id"]),
        ("retry.attempts, progress.current desc", ["retry.attempts", "-progress.current", "-id"]),
    ],
)
def test_an_order_ends_with_the_id_in_the_direction_of_its_last_field(text: str, terms: list[str]) -> None:
    assert ["-" * term.is_descending + term.field.name for term in parse_order(text, TASKS).terms] == terms


@pytest.mark.parametrize("text", ["", "   "])
def test_no_order_is_the_lists_own(text: str) -> None:
    assert parse_order(text, CARDS) == OWN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("creat_time", "can't be sorted by 'creat_time'; did you mean create_time?; they can by attempt, "),
        ("labels", "can't be sorted by 'labels'"),
        ("payload.a", "can't be sorted by 'payload.a'"),
        ("priority down", "is no field of order_by"),
        ("priority,", "is no field of order_by"),
        ("priority, priority desc", "names priority twice"),
        ("kind,pool,title,state,node,stage", "at most 5"),
        ("a" * 501, "at most 500"),
    ],
)
def test_what_is_no_order_is_refused_with_what_would_be(text: str, words: str) -> None:
    with pytest.raises(OrderInvalid) as raised:
        parse_order(text, TASKS)
    assert words in raised.value.message
    assert (raised.value.field, raised.value.reason) == ("order_by", "ORDER_INVALID")
