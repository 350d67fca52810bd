"""Capped output: head, count, tail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass.core.output import JOIN_BELOW, CappedOutput, Chunk

streams = st.sampled_from(["stdout", "stderr"])
writes = st.lists(st.tuples(streams, st.binary(max_size=200)), max_size=60)
caps = st.integers(0, 400)


def _written(cap: int, pieces: list[tuple[str, bytes]]) -> tuple[list[Chunk], list[Chunk]]:
    """What goes out at once, and what comes at the end."""
    output = CappedOutput(cap)
    head = [chunk for stream, data in pieces if (chunk := output.write(stream, data))]
    return head, output.close()


def _bytes(chunks: list[Chunk]) -> list[tuple[str, int]]:
    return [(chunk.stream, byte) for chunk in chunks for byte in chunk.data]


@given(caps, writes)
def test_head_dropped_and_tail_add_up_to_what_was_written(cap: int, pieces: list[tuple[str, bytes]]) -> None:
    head, tail = _written(cap, pieces)
    kept = sum(len(chunk.data) + chunk.dropped for chunk in head + tail)
    assert kept == sum(len(data) for _, data in pieces)


@given(caps, writes)
def test_the_kept_bytes_are_the_first_and_the_last_of_their_streams(cap: int, pieces: list[tuple[str, bytes]]) -> None:
    head, tail = _written(cap, pieces)
    everything = [(stream, byte) for stream, data in pieces for byte in data]
    first, last = _bytes(head), _bytes(tail)
    assert everything[: len(first)] == first
    assert everything[len(everything) - len(last) :] == last
    assert len(first) <= cap // 2
    assert len(last) <= cap - cap // 2


@given(st.integers(1, 400), writes)
def test_output_below_the_cap_comes_out_byte_for_byte(cap: int, pieces: list[tuple[str, bytes]]) -> None:
    head, tail = _written(cap, pieces)
    everything = [(stream, byte) for stream, data in pieces for byte in data]
    if len(everything) <= cap:
        assert _bytes(head + tail) == everything
        assert all(chunk.dropped == 0 for chunk in head + tail)


@given(caps, writes)
def test_the_count_of_what_is_missing_stands_where_it_is_missing(cap: int, pieces: list[tuple[str, bytes]]) -> None:
    head, tail = _written(cap, pieces)
    assert all(chunk.dropped == 0 for chunk in head + tail[1:])
    assert all(chunk.data for chunk in head + tail) or (cap == 0 and len(tail) == 1)


@given(st.integers(0, 4_000), st.lists(st.tuples(streams, st.integers(0, 3_000)), max_size=100))
def test_memory_stays_within_the_cap_and_one_chunk(cap: int, sizes: list[tuple[str, int]]) -> None:
    output = CappedOutput(cap)
    for stream, size in sizes:
        output.write(stream, b"x" * size)
        assert sum(len(chunk.data) for chunk in output._tail) <= cap - cap // 2 + JOIN_BELOW


def test_a_million_single_bytes_are_few_chunks() -> None:
    output = CappedOutput(64 * 1024)
    for _ in range(200_000):
        output.write("stdout", b"x")
    assert len(output._tail) <= 4


def test_a_stream_is_never_joined_with_another() -> None:
    output = CappedOutput(0)
    assert CappedOutput(100).write("stderr", b"e") == Chunk("stderr", b"e")
    output = CappedOutput(8)
    for stream, data in [("stdout", b"abcd"), ("stdout", b"o"), ("stderr", b"e"), ("stdout", b"p")]:
        output.write(stream, data)
    assert output.close() == [Chunk("stdout", b"o"), Chunk("stderr", b"e"), Chunk("stdout", b"p")]


@pytest.mark.parametrize("cap", [0, 1, 2])
def test_the_smallest_caps_keep_what_they_can(cap: int) -> None:
    head, tail = _written(cap, [("stdout", b"abcdef")])
    assert b"".join(chunk.data for chunk in head + tail) == {0: b"", 1: b"f", 2: b"af"}[cap]
    assert tail[0].dropped == 6 - cap


def test_closing_twice_says_nothing_twice() -> None:
    output = CappedOutput(10)
    output.write("stdout", b"0123456789ab")
    assert output.close() == [Chunk("stdout", b"789ab", dropped=2)]
    assert output.close() == []


def test_nothing_written_is_no_chunk() -> None:
    output = CappedOutput(10)
    assert output.write("stdout", b"") is None
    assert output.close() == []
