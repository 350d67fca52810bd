"""The terminal, or whatever takes its place: colours only on a terminal, nothing cut off in a pipe or a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDE = 10_000
"""Columns of a pipe: a program that reads a table wants all of it."""


def console(*, stderr: bool = False) -> Console:
    """For text that was made harmless before; nothing in it is markup."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        no_color=None if terminal else True,
        width=None if terminal else WIDE,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=not terminal,
    )


def styled(text: str, style: str = "") -> Text:
    """Any text from elsewhere, harmless, on one line."""
    from rich.text import Text

    from windlass_cli.harmless import one_line

    return Text(one_line(text), style=style)


def state(word: str) -> Text:
    """A state or outcome as its coloured label."""
    from windlass_cli.words import STATE_STYLES, label

    return styled(label(word), STATE_STYLES.get(word, ""))


def badge(priority: int) -> Text:
    """High, Medium or Low, on its colour."""
    from windlass_cli.words import BADGE_STYLES, priority_label

    word = priority_label(priority)
    return styled(f" {word} ", BADGE_STYLES[word]) if sys.stdout.isatty() else styled(word)
