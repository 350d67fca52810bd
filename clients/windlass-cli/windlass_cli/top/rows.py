"""The part of the screen that shows a list with its cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.text import Text
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget

from windlass_cli import screen
from windlass_cli.top.columns import Columns
from windlass_cli.top.listing import Listing

HEADER = 1


class Rows(Widget):
    """Draws what a listing holds, or why there is nothing; moving its cursor is all it decides."""

    class Moved(Message):
        """The cursor is on another row, by a person's hand."""

    def __init__(self, listing: Listing[Any], columns: Columns[Any], empty: Callable[[], str], *, id: str) -> None:
        super().__init__(id=id)
        self.listing, self._columns, self._empty = listing, columns, empty

    def render(self) -> Text:
        width, height = self.size
        if not self.listing.rows:
            return screen.styled(self._empty() if self.listing.is_known else "asking the server …", "dim")
        shown = self.listing.window(height - HEADER)
        lines = self._columns.lines(shown, width, self.listing.at - self.listing.first)
        return Text("\n").join(lines[:height])

    def move(self, by: int) -> None:
        if self.listing.move(by):
            self.refresh()
            self.post_message(self.Moved())

    @property
    def page(self) -> int:
        """How many rows are seen at once."""
        return max(1, self.size.height - HEADER)

    def on_click(self, event: Click) -> None:
        if event.y >= HEADER:
            self.move(self.listing.first + event.y - HEADER - self.listing.at)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.move(-1)
