"""Text from elsewhere, made harmless for a terminal: it shows, but it commands nothing.

Titles, messages and names are one printable line.  Output of scripts keeps its lines and its colours; every other
control sequence is taken out (moving the cursor, setting the window's title, answering back, hiding text).
"""

from __future__ import annotations

import codecs
import re

SHORT = 120

ESCAPES = re.compile(
    r"\x1b\[(?P<colours>[0-9;:]*)m"  # SGR
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # every other CSI
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x1b\\|\x07|\x9c)"  # OSC, DCS, SOS, PM, APC with their text
    r"|\x1b[ -/]*[0-~]"  # two or more characters
)
UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?|[ -/]*)?|\r)\Z")
CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\x1b(?!\[[0-9;:]*m)"
)
LONGEST_SEQUENCE = 4096
CONCEAL, REVEAL = "8", "28"
RESET = "\x1b[0m"


def one_line(text: str) -> str:
    """Everything on one line; what cannot be printed shows as its escape (`\\x1b`, `\\u202e`)."""
    flat = " ".join(text.splitlines())
    if flat.isprintable():
        return flat
    return "".join(each if each.isprintable() or each == "\u200d" else _escape(each) for each in flat)


def shortened(text: str, longest: int = SHORT) -> str:
    """As one_line, and cut with an ellipsis."""
    line = one_line(text[: 4 * longest])
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _escape(character: str) -> str:
    return " " if character in "\t\xa0" else character.encode("unicode_escape").decode()


class TerminalText:
    """Output of one stream on its way to a terminal: bytes in, harmless text out.  Sequences may be cut anywhere."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = ""
        self.coloured = False

    def feed(self, data: bytes) -> str:
        """What can be shown by now; the beginning of a sequence is held back until its end is there."""
        text = self._held + self._decode(data)
        self._held = ""
        unfinished = UNFINISHED.search(text, max(0, len(text) - LONGEST_SEQUENCE))
        if unfinished:
            text, self._held = text[: unfinished.start()], text[unfinished.start() :]
        return self._clean(text)

    def close(self) -> str:
        """What is left, and the end of the colours."""
        text = self._clean(self._held + self._decode(b"", final=True))
        self._held = ""
        return text + RESET if self.coloured else text

    def _clean(self, text: str) -> str:
        text = ESCAPES.sub(self._colours, text.replace("\r\n", "\n").replace("\r", "\n"))
        return CONTROLS.sub("", text)

    def _colours(self, found: re.Match[str]) -> str:
        colours = found["colours"]
        if colours is None:
            return ""
        self.coloured = True
        hides = CONCEAL in (each.lstrip("0") for each in colours.split(";"))
        return f"\x1b[{colours};{REVEAL}m" if hides else f"\x1b[{colours}m"
