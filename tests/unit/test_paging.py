"""Page sizes and page tokens."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.control.paging import LARGEST_PAGE, page_size, read_token, write_token
from windlass.errors import BadPageToken, InvalidArgument

Place = tuple[int, int, int, datetime]
PLACE = (1, 12, 5, datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))


def test_no_size_means_the_default_and_too_much_is_cut() -> None:
    assert page_size(0, 50) == 50
    assert page_size(1, 50) == 1
    assert page_size(LARGEST_PAGE, 50) == LARGEST_PAGE
    assert page_size(LARGEST_PAGE + 1, 50) == LARGEST_PAGE


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="page_size must not be negative") as refused:
        page_size(-1, 50)
    assert refused.value.field == "page_size"


def test_no_token_is_the_first_page_and_no_place_is_the_last() -> None:
    assert read_token("active", "", Place) is None
    assert write_token("active", None) == ""


def test_a_token_leads_back_to_its_place() -> None:
    assert read_token("active", write_token("active", PLACE), Place) == PLACE


def test_a_token_of_another_list_is_refused_although_it_would_fit() -> None:
    token = write_token("cards of origin 1", (7,))
    with pytest.raises(BadPageToken):
        read_token("cards of origin 2", token, tuple[int])


@given(st.text(max_size=20), st.integers(1, 2**63 - 1))
def test_any_list_and_any_id_come_back(name: str, id_: int) -> None:
    assert read_token(name, write_token(name, (id_,)), tuple[int]) == (id_,)


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "!!!",
        "ünïcode",
        "a",
        "AAAA",
        write_token("cards", (1,)),
        write_token("active", PLACE)[:-4],
        write_token("active", (1,)),
        _encoded(["active"]),
        _encoded(["active", ["1", 2, 3, "yesterday"]]),
        _encoded({"list": "active", "after": PLACE}),
        _encoded(["active", None]),
        base64.urlsafe_b64encode(b"\x91" * 100_000).decode(),
    ],
)
def test_a_token_that_this_list_did_not_give_out_is_refused(token: str) -> None:
    with pytest.raises(BadPageToken) as refused:
        read_token("active", token, Place)
    assert refused.value.field == "page_token"


@given(st.text(max_size=60))
def test_no_text_at_all_makes_the_reader_stumble(token: str) -> None:
    try:
        found: Any = read_token("active", token, Place)
    except BadPageToken:
        return
    assert found is None
    assert token == ""


@given(st.binary(max_size=60))
def test_no_bytes_at_all_make_the_reader_stumble(raw: bytes) -> None:
    token = base64.urlsafe_b64encode(raw).decode()
    if token:
        with pytest.raises(BadPageToken):
            read_token("active", token, Place)
