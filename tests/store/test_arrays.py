"""Array literals: PostgreSQL reads back what was written."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from windlass.store.postgres.arrays import digests, few, ids, numbers, texts

plenty = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
storable = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


@pytest.fixture
def connection(postgres: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres) as opened:
        yield opened


def _read_back(connection: psycopg.Connection, literal: str, type_: str) -> list[object]:
    row = connection.execute(f"select %s::{type_}[]", (literal,)).fetchone()
    assert row is not None
    return list(row[0])


@plenty
@given(st.lists(st.none() | st.text(storable) | st.text(st.sampled_from("\"\\{},' \n\tNULL"))))
@example([])
@example([None])
@example(["", "NULL", "null", '"', "\\", '\\"', "{", "}", "{}", ",", " ", "\n", "\r\n", "\\x41", "\\N", "'"])
def test_texts_come_back(connection: psycopg.Connection, values: list[str | None]) -> None:
    assert _read_back(connection, texts(values), "text") == values


@plenty
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers_come_back(connection: psycopg.Connection, values: list[int | None]) -> None:
    assert _read_back(connection, numbers(values), "bigint") == values


@plenty
@given(st.lists(st.none() | st.floats(allow_nan=False)))
def test_fractions_come_back_to_the_last_bit(connection: psycopg.Connection, values: list[float | None]) -> None:
    assert _read_back(connection, numbers(values), "float8") == values


@plenty
@given(st.lists(st.binary(max_size=40)))
def test_bytes_come_back(connection: psycopg.Connection, values: list[bytes]) -> None:
    assert _read_back(connection, digests(values), "bytea") == values


@plenty
@given(st.lists(st.none() | st.uuids()))
def test_ids_come_back(connection: psycopg.Connection, values: list[UUID | None]) -> None:
    assert _read_back(connection, ids(values), "uuid") == values


@plenty
@given(st.lists(st.none() | st.text(storable, max_size=1)), st.lists(st.none() | st.floats(0, 2, width=16)))
def test_what_is_mostly_the_same_comes_back(
    connection: psycopg.Connection, words: list[str | None], fractions: list[float | None]
) -> None:
    assert _read_back(connection, few(words), "text") == words
    assert _read_back(connection, few(fractions), "float8") == fractions
