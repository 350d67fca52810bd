"""What a look at a feed's file makes of what was known of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from windlass_entities import facts
from windlass_entities.facts import Accepted, FeedFacts, Source, accepted, cut_off, missing

BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, tzinfo=UTC)


def found(coverage: str, at: datetime, size: int = 1000) -> Accepted:
    source = Source(sha256=f"{size}", size=size, modified=at, whole=True)
    return Accepted(source=source, coverage_sha256=coverage, unique_ips=9, entries=8, bad_lines=0)


KNOWN = accepted(FeedFacts(name="one"), found("a", BEFORE))


def test_the_first_file_is_the_first_change() -> None:
    assert (KNOWN.last_change, KNOWN.unique_ips, KNOWN.entries) == (BEFORE, 9, 8)


def test_other_lines_with_the_same_addresses_change_nothing() -> None:
    assert accepted(KNOWN, found("a", LATER, size=2000)) == KNOWN


def test_other_addresses_are_a_change_at_the_time_of_the_file() -> None:
    after = accepted(KNOWN, found("b", LATER))
    assert (after.last_change, after.coverage_sha256) == (LATER, "b")


def test_a_file_that_is_gone_leaves_everything_but_says_why() -> None:
    gone = missing(KNOWN, "absent")
    assert gone != KNOWN
    assert accepted(gone, found("a", LATER)) == KNOWN


@pytest.mark.parametrize(
    ("size", "whole", "is_cut"),
    [
        (0, False, True),
        (499, False, True),
        (500, False, False),
        (499, True, False),
        (2000, False, False),
    ],
)
def test_only_a_file_that_ends_inside_a_line_and_lost_its_bulk_is_cut_off(size: int, whole: bool, is_cut: bool) -> None:
    assert bool(cut_off(KNOWN, size, whole)) == is_cut


def test_a_list_that_never_ended_with_a_newline_may_shrink() -> None:
    source = Source(sha256="", size=1000, modified=BEFORE, whole=False)
    assert cut_off(FeedFacts(name="one", source=source, entries=9), 10, whole=False) == ""


def test_a_list_with_entries_that_has_no_byte_any_more_is_cut_off() -> None:
    source = Source(sha256="", size=1000, modified=BEFORE, whole=False)
    assert cut_off(FeedFacts(name="one", source=source, entries=9), 0, whole=False) != ""


def test_a_feed_that_was_empty_may_be_a_file_without_a_byte() -> None:
    assert cut_off(FeedFacts(name="one"), 0, whole=False) == ""
    nothing = accepted(
        FeedFacts(name="one"),
        Accepted(
            source=Source(sha256="", size=9, modified=BEFORE, whole=True),
            coverage_sha256="c",
            unique_ips=0,
            entries=0,
            bad_lines=0,
        ),
    )
    assert cut_off(nothing, 0, whole=False) == ""


def test_facts_come_back_as_they_were_written() -> None:
    assert facts.decode(facts.encode(KNOWN)) == KNOWN
    with pytest.raises(ValueError, match="truncated"):
        facts.decode(b"{")
