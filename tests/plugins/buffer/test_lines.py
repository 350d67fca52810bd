"""Whose turn it is while an entry of a key fails, and how far the site is: decided on paper."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from windlass_buffer.lines import Lines, Work, reached
from windlass_buffer_client.envelope import Entry, Statement, new_id


def entry(key: str = "", seq: int = 0, epoch: str = "1-a") -> Entry:
    return Entry(new_id(), "/test", [Statement(name="x")], key=key, seq=seq, epoch=epoch)


def work(key: str, seq: int = 0) -> Work:
    return Work(b"", entry(key, seq), ())


def test_a_held_key_waits_and_the_others_go_on() -> None:
    lines = Lines()
    first, second, third, other = work("a"), work("a"), work("a"), work("b")
    lines.hold([first, second], until=5.0)
    assert lines.admit([third, other]) == [other]
    assert (len(lines), lines.next_at) == (3, 5.0)
    assert lines.release(4.9) == []
    assert lines.release(5.0) == [first, second, third]
    assert (len(lines), lines.next_at) == (0, None)
    assert lines.admit([first]) == [first]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40), st.integers(1, 7))
def test_whatever_fails_and_when_each_key_keeps_its_order(plan: list[tuple[str, bool]], size: int) -> None:
    """Each entry may fail once; batches are cut anywhere."""
    lines, now = Lines(), 0.0
    queue = [work(key, number) for number, (key, _) in enumerate(plan)]
    fails = {number for number, (_, does) in enumerate(plan) if does}
    applied: list[Work] = []
    while queue or len(lines):
        now += 1.0
        taken = lines.release(now) or [queue.pop(0) for _ in range(min(size, len(queue)))]
        while taken:
            batch, taken = lines.admit(taken[:size]), taken[size:]
            held: dict[str, list[Work]] = {}
            for each in batch:
                if each.key in held or each.entry.seq in fails:
                    held.setdefault(each.key, []).append(each)
                    fails.discard(each.entry.seq) if held[each.key] == [each] else None
                else:
                    applied.append(each)
            for works in held.values():
                lines.hold(works, now + 2.5)
    assert sorted(each.entry.seq for each in applied) == list(range(len(plan)))
    for key in "abc":
        seqs = [each.entry.seq for each in applied if each.key == key]
        assert seqs == sorted(seqs)


def test_the_position_stops_before_what_is_not_finished() -> None:
    for finished, unfinished, expected in (
        ([], [], ("", 0)),
        ([entry(seq=0)], [], ("", 0)),
        ([entry(seq=3), entry(seq=2)], [], ("1-a", 3)),
        ([entry(seq=3), entry(seq=5)], [entry(seq=4)], ("1-a", 3)),
        ([entry(seq=3)], [entry(seq=1), entry(seq=7)], ("1-a", 0)),
        ([entry(seq=3)], [entry(seq=0)], ("1-a", 3)),
        ([entry(seq=9), entry(seq=2, epoch="2-b")], [], ("2-b", 2)),
        ([entry(seq=4, epoch="2-b")], [entry(seq=1)], ("2-b", 4)),
    ):
        assert reached(finished, unfinished) == expected
