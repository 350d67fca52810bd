"""Array literals; what PostgreSQL reads back from them is tested in tests/contract."""

from __future__ import annotations

import pytest
from windlass.store.postgres.arrays import numbers, quoted, texts


def test_numbers_stand_as_they_are_and_none_is_null() -> None:
    assert numbers([1, None, -2, 0.1, 1e300]) == "{1,NULL,-2,0.1,1e+300}"
    assert numbers([]) == "{}"


def test_texts_are_always_quoted_so_that_the_word_null_is_no_null() -> None:
    assert texts(["a", None, "", "NULL"]) == '{"a",NULL,"","NULL"}'
    assert texts([]) == "{}"


@pytest.mark.parametrize(
    ("value", "element"),
    [
        ("plain", '"plain"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ('\\"', r'"\\\""'),
        ("{a,b}", '"{a,b}"'),
        ("two\nlines", '"two\nlines"'),
    ],
)
def test_quotes_and_backslashes_are_escaped_and_nothing_else(value: str, element: str) -> None:
    assert quoted(value) == element
