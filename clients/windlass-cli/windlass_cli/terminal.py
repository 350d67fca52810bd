"""What kind of place our output goes to."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def coloured(stream: TextIO) -> bool:
    """A terminal that knows colours, of somebody who has not said NO_COLOR (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    """Somebody sits there who sees a question and can answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()
