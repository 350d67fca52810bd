"""Text from elsewhere shows on a terminal, and commands nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass_cli.harmless import TerminalText, one_line, shortened

COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
PIECES = st.sampled_from(
    [
        *(b"\x1b", b"[", b"]", b"31", b";", b"m", b"2J", b"8m", b"\x07", b"\x1b\\", b"\\", b"P", b"a", b"\n", b"\r"),
        *("é".encode(), "\x9b".encode(), "\u202e".encode(), b"\x9b", b"\xc3", b"\xff", b"\x00"),
    ]
)


def shown(*chunks: bytes) -> str:
    text = TerminalText()
    return "".join(text.feed(chunk) for chunk in chunks) + text.close()


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"plain\ttext\n", "plain\ttext\n"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        (b"\x1b[2J\x1b[10;10Hmoved", "moved"),
        (b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
        (b"\x1bPq#0;1\x1b\\x", "x"),
        (b"\x1bcreset \x1b(0", "reset "),
        (b"\x1b[8mhidden", "\x1b[8;28mhidden\x1b[0m"),
        (b"\x1b[1;08mhidden", "\x1b[1;08;28mhidden\x1b[0m"),
        (b"\x1b[6n\x1b[c", ""),
        (b"evil\rgood\r\n", "evil\ngood\n"),
        ("\x9b31m\u202eabc".encode(), "31mabc"),
        (b"bell\x07 back\x08 \x7f", "bell back "),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\x1b", ""),
    ],
)
def test_output_keeps_its_lines_and_colours_and_nothing_else(sent: bytes, seen: str):
    assert shown(sent) == seen


def test_a_sequence_that_is_cut_between_two_chunks_is_still_one():
    assert shown(b"a\x1b[3", b"1mred\x1b]0;ti", b"tle\x07 caf\xc3", b"\xa9") == "a\x1b[31mred caf\u00e9\x1b[0m"


def test_an_unfinished_sequence_does_not_hold_the_output_back_for_ever():
    text = TerminalText()
    assert "the end" in text.feed(b"\x1b]0;" + b"x" * 10_000 + b"the end")


@given(st.lists(PIECES, max_size=40))
def test_whatever_is_sent_only_colours_reach_the_terminal(pieces: list[bytes]):
    seen = COLOURS.sub("", shown(*pieces))
    assert not [each for each in seen if (ord(each) < 32 and each not in "\n\t") or 127 <= ord(each) < 160]
    assert "\u202e" not in seen


@given(st.lists(PIECES, max_size=40), st.integers(1, 5))
def test_where_the_chunks_are_cut_makes_no_difference(pieces: list[bytes], size: int):
    whole = b"".join(pieces)
    assert shown(*(whole[at : at + size] for at in range(0, len(whole), size))) == shown(whole)


@given(st.text())
def test_a_line_is_one_line_of_printable_characters(text: str):
    line = one_line(text)
    assert line.replace("\u200d", "").isprintable()


def test_what_cannot_be_printed_shows_as_its_escape():
    assert one_line("a\x1b[31m\tb\r\nc\u202ed\x00\ue000") == "a\\x1b[31m b c\\u202ed\\x00\\ue000"
    assert one_line("naïve 👩\u200d🔬\xa0x") == "naïve 👩\u200d🔬 x"


def test_a_long_line_ends_with_an_ellipsis():
    assert shortened("word " * 100, 12) == "word word w…"
    assert shortened("short", 12) == "short"
