"""Text and JSON as the store can keep them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.host.context import LARGEST_TEXT, clean, clean_json

any_text = st.text(st.sampled_from("ab\0\udcff\ud800é…\N{GRINNING FACE}"))


@given(st.text())
def test_ordinary_text_is_kept_as_it_is(text: str) -> None:
    assert clean(text) == text.replace("\0", "\N{REPLACEMENT CHARACTER}")


@given(any_text, st.integers(1, 50))
def test_any_text_can_be_stored_afterwards(text: str, limit: int) -> None:
    stored = clean(text, limit)
    assert "\0" not in stored
    assert len(stored) <= limit
    stored.encode()


def test_long_text_is_cut_and_shows_it() -> None:
    assert clean("x" * LARGEST_TEXT) == "x" * LARGEST_TEXT
    assert clean("x" * (LARGEST_TEXT + 1)) == "x" * (LARGEST_TEXT - 1) + "…"


def test_a_file_name_that_is_no_unicode_does_not_spoil_a_message() -> None:
    name = b"report-\xff.txt".decode("utf-8", "surrogateescape")
    assert clean(f"can't read {name}") == "can't read report-?.txt"


@pytest.mark.parametrize("value", ["a\0b", {"k\0": ["\0"]}, "\\u0000", "back\\slash\0"])
def test_json_never_holds_an_escaped_nul(value: Any) -> None:
    stored = clean_json(value)
    assert "\0" not in str(json.loads(stored))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_json_without_nul_is_kept_as_it_is(value: Any) -> None:
    stored = clean_json(value)
    if "\\u0000" not in stored and "ufffd" not in stored:
        assert json.loads(stored) == value


def test_what_json_can_not_say_is_refused() -> None:
    with pytest.raises(TypeError):
        clean_json(object())
