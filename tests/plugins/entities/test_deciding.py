"""Decisions on paper: settings, when a file lies still, what is done about findings, what the panel shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from windlass_entities import panel
from windlass_entities.files import Stamp
from windlass_entities.findings import Finding
from windlass_entities.mending import BUILD, Mending, mending
from windlass_entities.payloads import Feeds, Selection
from windlass_entities.records import LONGEST_DETAIL, MOST_FINDINGS, Checked, Found, Moved, Publication, kept
from windlass_entities.settings import EntitiesSettings
from windlass_entities.watching import Stillness

PATHS = {name: f"/data/{name}" for name in ("feeds", "root", "catalogue", "countries", "asns")}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


# --- settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"feeds": "/feeds"}, "root, catalogue, countries, asns: set beside feeds"),
        (PATHS | {"root": "pages"}, "root must be an absolute path, not 'pages'"),
        (PATHS | {"root": "/data/feeds/pages"}, "root and feeds must not lie within each other"),
        (PATHS | {"feeds": "/data/root/../root/feeds"}, "root and feeds must not lie within each other"),
        (PATHS | {"rescan": 0.5}, "rescan must be from 1 to 86,400, not 0.5"),
        (PATHS | {"grace": float("nan")}, "grace must be from 0 to 86,400, not nan"),
        (PATHS | {"deferred_limit": 0}, "deferred_limit must be from 1"),
        (PATHS | {"pool": ""}, "pool is empty: name a pool"),
        (PATHS | {"thresholds": {"delayed": 50_000}}, "delayed ≤ risky ≤ archived must hold"),
        (PATHS | {"rooot": "/x"}, "unknown field `rooot`"),
    ],
)
def test_wrong_settings_are_refused_with_what_to_change(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words.replace("(", r"\(")):
        msgspec.convert(settings, EntitiesSettings)


def test_nothing_configured_maintains_nothing() -> None:
    assert not EntitiesSettings().is_configured
    assert msgspec.convert(PATHS, EntitiesSettings).is_configured


# --- payloads


def test_requests_fold_into_their_union() -> None:
    assert Feeds(["b", "a"]).merged(Feeds(["c", "a"])) == Feeds(["a", "b", "c"])
    one, other = Selection(countries=["US"], asns=[7]), Selection(countries=["DE"], feeds=["f"])
    assert one.merged(other) == Selection(countries=["DE", "US"], asns=[7], feeds=["f"])
    assert one.merged(other).in_words() == "f, DE, US, AS7"
    assert Selection(feeds=["a", "b", "c", "d"]).in_words() == "4 feeds"
    assert not Selection()


@pytest.mark.parametrize("feed", ["", "../x", ".hidden", "a/b", "a\n", "x" * 101])
def test_a_feed_has_a_name_that_is_safe_in_a_path(feed: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"feeds": [feed]}, Feeds)


# --- the watcher

ONE, TWO = Stamp(1, 10, 1), Stamp(1, 11, 2)


def test_a_file_is_due_once_it_has_been_the_same_for_long_enough() -> None:
    still = Stillness(calm=1.0)
    assert still.due({"a": ONE}, 0.0) == []
    assert still.wait(0.25) == 0.75
    assert still.due({"a": TWO}, 0.5) == []
    assert still.due({"a": TWO}, 1.25) == []
    assert still.due({"a": TWO}, 1.5) == ["a"]


def test_a_file_that_was_looked_at_is_due_again_when_it_changes_or_goes_away() -> None:
    still = Stillness(calm=0.0)
    assert still.due({"a": ONE, "b": ONE}, 0.0) == ["a", "b"]
    still.settle("a", ONE, asked=False)
    still.settle("b", ONE, asked=True)
    assert still.due({"a": ONE, "b": ONE}, 1.0) == []
    assert still.wait(1.0) is None
    assert still.due({"a": None, "b": ONE}, 2.0) == ["a"]


def test_what_somebody_was_asked_to_take_is_doubted_from_time_to_time() -> None:
    still = Stillness(calm=0.0)
    still.settle("sure", ONE, asked=False)
    still.settle("asked", ONE, asked=True)
    still.doubt()
    assert still.due({"sure": ONE, "asked": ONE}, 1.0) == ["asked"]
    still.settle("asked", ONE, asked=False)
    still.doubt()
    assert still.due({"sure": ONE, "asked": ONE}, 2.0) == []


# --- findings


def test_each_finding_leads_to_the_smallest_that_mends_it() -> None:
    assert mending([]) == Mending()
    assert mending([Finding("version_missing", "", "")]).pages == BUILD
    found = [
        Finding("detail_missing", "public/countries/US.json", ""),
        Finding("detail_stale", "public/asns/13335.json", ""),
        Finding("feed_unavailable", "tor_exits", ""),
        Finding("health_stale", "openai", ""),
        Finding("coverage_malformed", "telegram", ""),
    ]
    assert mending(found) == Mending(pages=2, recheck=("tor_exits",), reprocess=("telegram",), health=("openai",))


def test_more_than_the_limit_is_deferred_and_a_tree_that_is_not_there_never_is() -> None:
    assert Mending(pages=1_024).deferred(1_024) == 0
    assert Mending(pages=1_025).deferred(1_024) == 1_025
    assert Mending(pages=BUILD).deferred(1) == 0


def test_what_is_kept_of_findings_fits_into_a_document() -> None:
    many = [Found("detail_missing", f"public/asns/{number}.json", "x" * 10_000) for number in range(5_000)]
    found = kept(many)
    assert len(found) == MOST_FINDINGS
    assert {len(each.detail) for each in found} == {LONGEST_DETAIL}
    assert len(msgspec.json.encode(found)) < 256 * 1024


# --- the panel


def publication(**fields: Any) -> Publication:
    known: dict[str, Any] = {"generation": 7, "at": NOW - timedelta(minutes=3), "task": 12, "kind": "RefreshEntities"}
    return Publication(**known | {"trigger": "feed_update", "written": 1_200, "removed": 3} | fields)


def test_the_panel_says_what_was_published_by_whom_and_how_feeds_stand() -> None:
    shown = panel.section(
        publication(
            feeds=4,
            countries=200,
            asns=3_000,
            health={"healthy": 3, "unavailable": 1},
            transitions=[Moved("tor", "healthy", "unavailable", NOW - timedelta(hours=5))],
        ),
        Checked(at=NOW - timedelta(seconds=30), task=9, generation=7),
        NOW,
    )
    assert shown.summary == "generation 7, 200 countries, 3,000 ASNs, 4 feeds"
    assert [(line.name, line.value, line.is_alarming) for line in shown.lines] == [
        ("published", "3 min ago, 1,200 written, 3 removed, by task 12 (RefreshEntities, feed_update)", False),
        ("feeds", "1 unavailable, 3 healthy", True),
        ("checked", "30 s ago: all is well", False),
        ("tor", "healthy → unavailable, 5 h ago", False),
    ]


def test_the_panel_says_what_is_wrong_and_that_nothing_is_there_yet() -> None:
    wrong = Checked(at=NOW, task=9, generation=7, total=2_000, counts={"detail_missing": 2_000}, deferred=2_000)
    shown = panel.section(publication(), wrong, NOW)
    assert shown.summary.endswith(", 2,000 findings")
    assert [line.name for line in shown.lines if line.is_alarming] == ["checked", "deferred"]
    nothing = panel.section(None, None, NOW)
    assert nothing.summary == "nothing published yet"
    assert [(line.name, line.value) for line in nothing.lines] == [("checked", "not yet")]
