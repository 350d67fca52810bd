"""Whether a replica has a transaction, decided on paper."""

import pytest
from windlass_buffer_client import WrongReplica
from windlass_buffer_client.lsn import end, number
from windlass_buffer_client.replicas import Facts, has_replayed
from windlass_buffer_client.reports import Status

APPLIED = Status("applied", lsn="0/10000000", system="7", timeline=2)


def facts(
    lsn: str | None = "0/10000000", system: str = "7", timeline: int = 2, is_hidden: bool | None = False
) -> Facts:
    return Facts(lsn, system, timeline, is_hidden)


@pytest.mark.parametrize(
    ("found", "has"),
    [
        (facts(), True),
        (facts("0/FFFFFFF"), False),  # as text it is the greater one
        (facts("1/0"), True),
        (facts(None), False),
        (facts("9/0", timeline=1), False),
        (facts(is_hidden=None), True),
    ],
)
def test_positions_are_compared_as_numbers_within_one_history(found, has):
    assert has_replayed(APPLIED, found) is has


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts(system="8"), "belongs to the cluster 8, .* on 7"),
        (facts(timeline=3), "there was a failover since"),
        (facts(is_hidden=True), "grant pg_read_all_stats"),
    ],
)
def test_a_server_that_can_never_tell_is_refused(found, words):
    with pytest.raises(WrongReplica, match=words):
        has_replayed(APPLIED, found)


@pytest.mark.parametrize(
    ("position", "ended"),
    [
        ("0/2018", "0/2000"),
        ("0/2028", "0/2028"),
        ("1/100028", "1/100000"),
        ("1/100018", "1/100000"),
        ("0/2020", "0/2020"),
    ],
)
def test_a_position_behind_a_header_is_the_end_of_the_page_before(position, ended):
    assert end(number(position)) == number(ended)
    applied = Status("applied", lsn=position, system="7", timeline=2)
    assert has_replayed(applied, facts(ended))
