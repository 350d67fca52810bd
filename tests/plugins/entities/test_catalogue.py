"""The catalogue: one bad entry is its own problem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from windlass_entities.inputs import CatalogueProblem, FeedEntry, read_catalogue


def test_entries_are_read_in_the_order_of_their_names() -> None:
    found = read_catalogue(
        b'{"zoo": {"category": "cloud", "maintainer": "us", "maintained": false, "more": [1]},'
        b' "ant": {"category": "services", "maintainer": "them", "licence": "MIT", "url": "https://example.org"}}'
    )
    assert list(found) == ["ant", "zoo"]
    assert found["zoo"] == FeedEntry(name="zoo", category="cloud", maintainer="us", maintained=False)
    assert (found["ant"].licence, found["ant"].url, found["ant"].maintained) == ("MIT", "https://example.org", True)
    assert found.problems == []


BAD = [
    ("feed", {"maintainer": "us"}, "missing required field `category`"),
    ("feed", {"category": "cloud", "maintainer": 5}, "Expected `str`, got `int` - at `$.maintainer`"),
    ("feed", {"category": "cloud", "maintainer": " "}, "category and maintainer must not be empty"),
    ("feed", [], "Expected `object`, got `array`"),
    ("../feed", {"category": "cloud", "maintainer": "us"}, "a name is up to 100 letters"),
    ("", {"category": "cloud", "maintainer": "us"}, "a name is up to 100 letters"),
    ("x" * 101, {"category": "cloud", "maintainer": "us"}, "a name is up to 100 letters"),
]


@pytest.mark.parametrize(("name", "entry", "why"), BAD, ids=[str(at) for at in range(len(BAD))])
def test_a_bad_entry_is_told_and_the_others_are_read(name: str, entry: object, why: str) -> None:
    good = {"category": "cloud", "maintainer": "us"}
    found = read_catalogue(json.dumps({name: entry, "good": good}).encode())
    assert list(found) == ["good"]
    assert found.problems == [CatalogueProblem(name, found.problems[0].why)]
    assert why in str(found.problems[0])


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"a": 1', b"\0" * 100, b'"feeds"'], ids=str)
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="the catalogue must be a JSON object of feed names"):
        read_catalogue(data)


def test_the_real_catalogue_describes_every_list(data: Path) -> None:
    found = read_catalogue((data / "feeds/catalog.json").read_bytes())
    assert found.problems == []
    assert {path.stem for path in data.glob("feeds/wave*/*.netset")} <= set(found)
    assert all(entry.licence and entry.url for entry in found.values())
