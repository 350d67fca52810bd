"""Output of scripts without what commands a terminal: colours, cursor, titles.  Text, line ends and tabs stay."""

from __future__ import annotations

import re

LONGEST_SEQUENCE = 4096

SEQUENCES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x1b\\|\x07)"  # OSC, DCS, SOS, PM, APC with their text
    rb"|\x1b[ -/]*[0-Z\\^-~]"  # the short ones
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"  # and every other control character
)
BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")


class Plain:
    """One stream on its way into a file: bytes in, plain bytes out.  A sequence may be cut anywhere."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What is sure by now; the beginning of a sequence is held back until its end is there."""
        data = self._held + data
        begun = BEGUN.search(data, max(0, len(data) - LONGEST_SEQUENCE))
        cut = begun.start() if begun else len(data)
        self._held = data[cut:]
        return SEQUENCES.sub(b"", data[:cut])

    def end(self) -> bytes:
        """What was held back for an end that never came: a title that was not closed may hold the last lines."""
        held, self._held = self._held, b""
        return SEQUENCES.sub(b"", held)
