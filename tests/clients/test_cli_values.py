"""What the command line makes of text, and text of values: YAML, durations, schemas, the file of profiles."""

import io
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from windlass_cli.documents import as_text
from windlass_cli.durations import seconds_of
from windlass_cli.exits import Failure
from windlass_cli.profile_file import added, chosen, is_name
from windlass_cli.schemas import argument_of, fields_of
from windlass_cli.yaml import lines

TEXTS = st.text(max_size=12) | st.sampled_from(["no", "~", "1e3", "- a", "a: b", " a "])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
SCHEMA: Any = {
    "$ref": "#/$defs/Rebuild",
    "$defs": {
        "Rebuild": {
            "type": "object",
            "required": ["feed"],
            "properties": {
                "feed": {"type": "string", "description": "Which one."},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                "force": {"type": "boolean"},
                "mode": {"enum": ["soft", "hard"]},
                "where": {"$ref": "#/$defs/Where"},
                "whatever": {},
            },
        },
        "Where": {"type": "object", "properties": {}},
    },
}


@given(JSON)
def test_yaml_reads_back_as_what_was_written(value: Any):
    written = "\n".join(lines(value, as_text)) + "\n"
    assert YAML(typ="safe", pure=True).load(io.StringIO(written)) == value
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for line in written.split("\n") for each in line)


def test_yaml_is_what_people_would_write():
    document = {"id": 7, "labels": {}, "tasks": [{"title": "a b", "state": "RUNNING"}, []], "no": None, "x": "yes"}
    assert list(lines(document, as_text)) == [
        "id: 7",
        "labels: {}",
        "tasks:",
        "  - title: a b",
        "    state: RUNNING",
        "  - []",
        '"no": null',
        'x: "yes"',
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("1W", 604_800)],
)
def test_times_are_read_as_people_type_them(text: str, seconds: float):
    assert seconds_of(text, "--ttl") == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 m", "-5m", "5x", "h"])
def test_what_is_no_time_is_told_with_the_option(text: str):
    with pytest.raises(Failure, match="--ttl takes a time such as 30s"):
        seconds_of(text, "--ttl")


def test_a_schema_is_told_as_fields():
    summaries = {field.name: field.summary for field in fields_of(SCHEMA)}
    assert summaries == {
        "feed": "string, required: Which one.",
        "limit": "integer or null",
        "force": "boolean",
        "mode": '"soft" or "hard"',
        "where": "object",
        "whatever": "any",
    }
    assert fields_of(True) == fields_of({"type": "array"}) == fields_of({"$ref": "#/$defs/Gone"}) == []


def test_text_becomes_what_the_schema_takes():
    given_ = {"feed": "7", "limit": "7", "force": "true", "mode": "soft", "where": '{"a": 1}', "whatever": "free text"}
    assert argument_of(SCHEMA, given_) == {
        "feed": "7",
        "limit": 7,
        "force": True,
        "mode": "soft",
        "where": {"a": 1},
        "whatever": "free text",
    }
    assert argument_of(SCHEMA, {"limit": "null"}) == {"limit": None}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("fed", "x", "there is no field fed; did you mean feed?"),
        ("colour", "x", "there is no field colour; there are: feed, limit, "),
        ("limit", "many", "the field limit takes integer or null, not 'many'"),
        ("force", "yes", "the field force takes boolean, not 'yes'"),
    ],
)
def test_what_does_not_fit_is_told_by_its_name(name: str, text: str, says: str):
    with pytest.raises(Failure) as caught:
        argument_of(SCHEMA, {name: text})
    assert says in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n",
        '[a]\naddress = "h:1"\n',
        'default = "b" # x\n[a]\naddress = "h:1"\n',
        '\n  default="b"\n\n[a]\naddress="h"',
    ],
)
def test_the_file_of_profiles_keeps_what_it_had(text: str):
    said: dict[str, str | bool] = {"address": 'h"\\:1', "tls": True}
    after = chosen(added(text, "new", said), "new")
    assert tomllib.loads(after) == tomllib.loads(text) | {"default": "new", "new": said}
    assert "# mine" not in text or "# mine" in after


@pytest.mark.parametrize(
    ("name", "good"), [("a-b_1", True), ("default", False), ("a.b", False), ("", False), ("a]", False)]
)
def test_names_of_profiles_need_no_quotes(name: str, good: bool):
    assert is_name(name) is good
