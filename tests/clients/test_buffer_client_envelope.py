"""The envelope: what goes in comes out, and what is wrong with it is said where it is wrong."""

import json
import math
import os
import subprocess
import sys
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from windlass_buffer_client import BadEntry, BufferClient, EntryTooLarge, Record, Statement
from windlass_buffer_client.envelope import decode, encode, new_id, schema

from tests.clients.buffer_entries import entry

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=4), TEXT, TEXT, VALUES)
def test_what_goes_in_comes_out_and_fits_the_schema(parameters, key, id, data):
    told = entry(Record("people", id or "1", data), statements=[Statement("note", parameters)], key=key, created=1.5)
    body = encode(told)
    assert decode(body) == told
    jsonschema.validate(json.loads(body), schema())


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60) | st.recursive(VALUES, st.lists).map(lambda value: json.dumps(value).encode()))
def test_garbage_is_a_bad_entry_whatever_it_is(body):
    with pytest.raises(BadEntry):
        decode(body)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"id": "x"}, r"\$\.id"),
        ({"seq": "1"}, r"\$\.seq"),
        ({"statements": [{"name": "a", "sql": "b"}]}, r"either `name` or `sql`.*\$\.statements\[0\]"),
        ({"statements": [{"name": "a", "parameters": []}]}, r"\$\.statements\[0\]\.parameters"),
        ({"statements": [{"name": "a", "after": ["b"]}]}, "there is no earlier statement 'b'"),
        ({"records": [{"collection": "a:b", "id": "1"}]}, r"collection 'a:b': use .*\$\.records\[0\]"),
        ({"records": [{"collection": "a", "id": ""}]}, r"no `id`.*\$\.records\[0\]"),
        ({"records": [{"collection": "a", "id": "1", "deleted": True, "data": 1}]}, r"a deleted record has no `data`"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"endpoint": ""}, "`endpoint` is empty"),
    ],
)
def test_an_error_names_the_field(wrong, words):
    fine = {"id": str(UUID(int=1)), "endpoint": "tests", "statements": [{"name": "note"}]}
    assert decode(json.dumps(fine).encode()).seq == 0
    with pytest.raises(BadEntry, match=words):
        decode(json.dumps(fine | wrong).encode())


def test_a_wrong_type_is_told_to_whoever_submits_it():
    with pytest.raises(BadEntry, match=r"\$\.statements\[0\]\.parameters"):
        encode(entry(statements=[Statement("note", [1])]))  # type: ignore[arg-type]


def test_deep_nesting_is_refused_and_does_no_harm():
    with pytest.raises(BadEntry):
        decode(b'{"id":' + b"[" * 100_000)


def test_an_entry_has_its_limit_in_bytes():
    told = entry(statements=[Statement("note", {"x": "é" * 500})])
    size = len(encode(told))
    assert len(encode(told, size)) == size
    for call in (lambda: encode(told, size - 1), lambda: decode(encode(told), size - 1)):
        with pytest.raises(EntryTooLarge, match="split it into several") as refused:
            call()
        assert (refused.value.size, refused.value.limit) == (size, size - 1)


def test_ids_are_of_version_seven_differ_and_sort_by_their_time():
    ids = [new_id(now) for now in (1.0, 2.0, 3.0) for _ in range(100)]
    assert len(set(ids)) == 300
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    assert [each.int >> 80 for each in ids] == sorted(each.int >> 80 for each in ids)


async def test_numbers_and_letters_of_any_size_survive_redis(valkey_url, site):
    data = {
        "big": 2**63 - 1,
        "small": 5e-324,
        "text": 'é\U0001f600"\\\n\x00',
        "third": 1 / 3,
        "huge": sys.float_info.max,
    }
    async with BufferClient(valkey_url, site) as buffer:
        await buffer.submit("tests", [Statement("note", data)], records=[Record("people", 'ä:{}" 1', data)])
        found = await buffer.read("people", 'ä:{}" 1')
        listed = await buffer.list("people")
    assert found is not None
    assert (found.data, [each.data for each in listed]) == (data, [data])
    assert math.isclose(found.data["third"], 1 / 3, rel_tol=0)


async def test_the_trace_is_the_one_given_or_the_active_span_of_opentelemetry(valkey_url, site):
    from opentelemetry import trace

    context = trace.SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=trace.TraceFlags(1))
    span, given_one = f"00-{0xABC:032x}-{0xDEF:016x}-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with BufferClient(valkey_url, site) as buffer:
        with trace.use_span(trace.NonRecordingSpan(context)):
            await buffer.submit("tests", [Statement("note")])
            await buffer.submit("tests", [Statement("note")], traceparent=given_one)
        await buffer.submit("tests", [Statement("note")])
        bodies: Any = await buffer._redis.lrange(buffer._talk.keys.queue, 0, -1)
    assert [decode(each).traceparent for each in reversed(bodies)] == [span, given_one, ""]


NOTHING_ELSE = """
import sys


class Refuses:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in {"windlass", "windlass_client", "windlass_proto", "windlass_buffer", "grpc", "opentelemetry"}:
            raise ImportError(f"the client asked for {name}")


sys.meta_path.insert(0, Refuses())
from windlass_buffer_client import Statement, SyncBufferClient

with SyncBufferClient(sys.argv[1], sys.argv[2]) as buffer:
    print(buffer.submit("tests", [Statement("note")]).seq)
"""


def test_it_works_where_nothing_of_windlass_is(valkey_url, site):
    command = [sys.executable, "-W", "error", "-c", NOTHING_ELSE, valkey_url, site]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=60)
    assert (done.stdout, done.stderr) == ("1\n", "")
