"""The terminal, or whatever takes its place: colours only on a terminal, nothing cut off in a pipe or a file."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from windlass_cli.harmless import one_line
from windlass_cli.terminal import coloured
from windlass_cli.words import BADGE_STYLES, STATE_STYLES, label, priority_label

WIDE = 10_000
"""Columns of a pipe: a program that reads a table wants all of it."""


class HonestConsole(Console):
    def on_broken_pipe(self) -> None:
        """Not rich's business: main() knows the exit code."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """For text that was made harmless before; nothing in it is markup."""
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return HonestConsole(
        file=stream,
        force_terminal=terminal,
        color_system="auto" if coloured(stream) else None,
        width=None if terminal else WIDE,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=not terminal,
    )


def styled(text: str, style: str = "") -> Text:
    """Any text from elsewhere, harmless, on one line; the style ends with the text, not with the cell."""
    return Text.assemble((one_line(text), style))


def cell(said: Any) -> Text:
    """What a column says of a thing, as a text of the caller's own."""
    if isinstance(said, Text):
        return said.copy()
    return styled(*said) if isinstance(said, tuple) else styled(str(said))


def cut(text: Text) -> Text:
    """On one line, with an ellipsis where it does not fit: its column may shrink, but not wrap it."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def state(word: str) -> Text:
    """A state or outcome as its coloured label: on a terminal with colours as a pill."""
    return _pill(label(word), f"reverse {STATE_STYLES.get(word, '')}".strip())


def badge(priority: int) -> Text:
    """High, Medium or Low, on its colour."""
    word = priority_label(priority)
    return _pill(word, BADGE_STYLES[word])


def _pill(word: str, style: str) -> Text:
    return styled(f" {word} ", style) if coloured(sys.stdout) else styled(word)
