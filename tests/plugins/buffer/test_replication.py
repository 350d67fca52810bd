"""What replicas' words mean for transactions, on paper."""

from __future__ import annotations

import pytest
from windlass_buffer.replication import Check, Sight, astray, branches, lag, rule
from windlass_buffer_client import lsn

MAIN, OTHER = "7412345678901234567", "7499999999999999999"


def check(id: str = "a", position: int = 100, *, timeline: int = 1, system: str = MAIN, since: float = 1.0) -> Check:
    return Check(id, position, system, timeline, since)


def sight(replayed: int, timeline: int = 1, history: dict[int, int] | None = None, **fields) -> Sight:
    return Sight(**({"replica": "r1", "system": MAIN} | fields), timeline=timeline, replayed=replayed, history=history)


def ids(checks):
    return [each.id for each in checks]


def ruled(checks, sights, quorum=1, found=None):
    ruling = rule(checks, sights, quorum, found or {})
    return ids(ruling.replicated), ids(ruling.waiting), ids(ruling.lost)


# --- positions


def test_positions_are_compared_as_numbers():
    earlier, later = "0/FFFFFFF", "0/10000000"
    assert earlier > later
    assert lsn.number(earlier) < lsn.number(later) < lsn.number("1/0") < lsn.number("FFFFFFFF/FFFFFFFF")


@pytest.mark.parametrize("text", ["0/0", "0/16B3748", "16/B374D848", "FFFFFFFF/FFFFFFFF"])
def test_a_position_reads_as_it_was_written(text):
    assert lsn.text(lsn.number(text)) == text


@pytest.mark.parametrize("text", ["", "16B374D848", "x/y", "1/", "1/2/3"])
def test_what_is_no_position_is_refused(text):
    with pytest.raises(ValueError, match="no position"):
        lsn.number(text)


def test_a_position_behind_a_pages_header_is_the_end_of_the_page_before():
    page = lsn.number("0/3000000") + 7 * 8192
    assert [lsn.end(page + offset) - page for offset in (-8, 0, 24, 32)] == [-8, 0, 0, 32]


# --- one history


@pytest.mark.parametrize(("replayed", "is_shown"), [(99, False), (100, True), (101, True)])
def test_a_replica_shows_what_it_has_replayed(replayed, is_shown):
    assert ruled([check()], [sight(replayed)]) == ((["a"], [], []) if is_shown else ([], ["a"], []))


@pytest.mark.parametrize(("quorum", "shown"), [(0, ["a", "b", "c"]), (1, ["a", "b"]), (2, ["a"]), (3, [])], ids=str)
def test_a_quorum_is_so_many_replicas_and_one_that_is_away_shows_nothing(quorum, shown):
    checks = [check("a", 100), check("b", 200), check("c", 300)]
    replicated, waiting, lost = ruled(checks, [sight(150), sight(250), None], quorum)
    assert (replicated, waiting, lost) == (shown, [each for each in "abc" if each not in shown], [])


def test_the_lag_is_what_the_replica_has_yet_to_replay():
    checks = [check("a", 100), check("b", 300)]
    assert [lag(checks, sight(replayed)) for replayed in (0, 150, 300, 400)] == [300, 150, 0, 0]


# --- several histories


def test_after_a_failover_what_is_before_the_branch_is_shown_and_what_is_behind_it_is_lost():
    checks = [check("before", 100), check("at", 150), check("behind", 151), check("new", 300, timeline=2, since=2.0)]
    assert ruled(checks, [sight(1000, 2, {1: 150})]) == (["before", "at", "new"], [], ["behind"])


def test_a_new_primary_that_still_replays_what_is_before_its_branch_is_waited_for():
    assert ruled([check()], [sight(50, 2, {1: 150})]) == ([], ["a"], [])


def test_a_replica_that_has_not_followed_a_failover_shows_nothing_of_the_new_timeline():
    assert ruled([check(timeline=2)], [sight(10_000, 1)]) == ([], ["a"], [])


def test_a_timeline_that_the_replicas_own_never_went_through_is_lost_whole():
    assert ruled([check(timeline=2)], [sight(10_000, 3, {1: 50})]) == ([], [], ["a"])


def test_a_history_that_cannot_be_read_promises_nothing():
    assert ruled([check()], [sight(10_000, 2, None)]) == ([], [], ["a"])


def test_what_was_found_there_is_shown_whatever_the_log_says():
    lost, found = check("lost", 200), check("found", 201)
    assert ruled([lost, found], [sight(900, 2, {1: 150})], found={"r1": frozenset({"found"})}) == (
        ["found"],
        [],
        ["lost"],
    )


def test_nothing_is_lost_while_enough_replicas_may_still_show_it():
    promoted, faithful = sight(1000, 2, {1: 50}), sight(60, 1, replica="r2")
    assert ruled([check()], [promoted, faithful], quorum=1) == ([], ["a"], [])
    assert ruled([check()], [promoted, None], quorum=1) == ([], ["a"], [])
    assert ruled([check()], [promoted, faithful], quorum=2) == ([], [], ["a"])
    assert ids(astray([check()], promoted)) == ["a"]
    assert astray([check()], faithful) == []


def test_another_clusters_replica_shows_nothing_and_loses_nothing():
    assert ruled([check()], [sight(10_000, system=OTHER)]) == ([], ["a"], [])


def test_what_was_written_to_a_main_database_that_was_replaced_is_lost():
    old, new = check("old", 100, system=OTHER, since=1.0), check("new", 50, since=2.0)
    assert ruled([old, new], [sight(10_000)]) == (["new"], [], ["old"])


def test_a_history_file_is_read():
    text = "1\t0/3000000\tno recovery target specified\n\n# by hand\n2\t0/A0000D8\tbefore 2026-11-22 18:00:00+00\n"
    assert branches(text) == {1: lsn.number("0/3000000"), 2: lsn.number("0/A0000D8")}
