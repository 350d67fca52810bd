"""The screen itself: where things stand, and where the keys lead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import Static

from windlass_cli import screen
from windlass_cli.harmless import one_line
from windlass_cli.picture import drawn
from windlass_cli.top import columns, feeds, summary
from windlass_cli.top.acting import Acting
from windlass_cli.top.board import Board
from windlass_cli.top.dialogs import Leaf
from windlass_cli.top.followed import Followed
from windlass_cli.top.keys import HELP, LINE
from windlass_cli.top.rows import Rows

if TYPE_CHECKING:
    from windlass_client import Client

SHOWN_EVERY_S = 0.2
LOW = 32
"""Lines; on a screen with fewer, the details of a task take the place of the overview."""


class Top(Acting):
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { overflow: hidden; }
    #heading, #overview, #tabs, #keys { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    #rows { height: 1fr; min-height: 3; }
    #rows Rows { height: 1fr; text-wrap: nowrap; text-overflow: clip; }
    #details { height: 2fr; border-top: solid $primary; display: none; scrollbar-size-vertical: 1; }
    #details Static { height: auto; }
    #history { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)"),
        Binding("down,j", "move(1)"),
        Binding("pageup", "page(-1)"),
        Binding("pagedown", "page(1)"),
        Binding("home", "move(-1000000)"),
        Binding("end", "move(1000000)"),
        Binding("enter", "details"),
        Binding("escape", "close_details"),
        Binding("left_square_bracket,shift+up", "scroll_details(-1)"),
        Binding("right_square_bracket,shift+down", "scroll_details(1)"),
        Binding("tab,shift+tab", "switch", priority=True),
        Binding("i", "interrupt"),
        Binding("r", "retry"),
        Binding("p", "priority"),
        Binding("f,slash", "filter"),
        Binding("o", "overview"),
        Binding("question_mark", "keys"),
        Binding("q", "quit"),
        Binding("ctrl+c", "quit", priority=True),
    ]

    def __init__(self, client: Client, *, who: str = "") -> None:
        super().__init__()
        self.client = client
        self.board = Board(client.address)
        self.followed: Followed | None = None
        self._who = one_line(who)
        board = self.board
        self._queue = Rows(board.queue, columns.QUEUE, lambda: board.why_no_tasks, id="queue")
        self._history = Rows(board.history, columns.HISTORY, lambda: board.why_no_cards, id="history")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """A key means what the open dialog makes of it before it means anything to the screen behind that."""
        return len(self.screen_stack) == 1 or action not in ("quit", "switch")

    def compose(self) -> ComposeResult:
        yield Static(id="heading")
        yield Static(id="overview")
        yield Static(id="tabs")
        with Container(id="rows"):
            yield self._queue
            yield self._history
        with VerticalScroll(id="details", can_focus=False):
            yield Static()
        yield Static(screen.styled(LINE, "dim"), id="keys")

    def on_mount(self) -> None:
        self._feed("overview", feeds.feed_overview(self.client, self.board))
        self.feed_queue()
        self.feed_history()
        self.set_interval(1.0, lambda: self.board.sample(time.monotonic()))
        self.set_interval(SHOWN_EVERY_S, self._show)

    def on_resize(self) -> None:
        self.board.is_stale = True

    # --- what is seen

    def _show(self) -> None:
        """While a question is asked, the screen behind it goes on."""
        if not self.board.is_stale or not self.is_running:
            return
        self.board.is_stale = False
        main = self.screen_stack[0]
        width, height = self.size
        heading = summary.heading(self.board, self._who, width)
        room = 0 if self.followed and height < LOW else max(2, height // 3 - 1)
        picture = self.board.picture
        overview = summary.details(picture, width, room) if picture else []
        for id, lines in (("heading", heading), ("overview", overview), ("tabs", [self._tabs(width)])):
            main.query_one(f"#{id}", Static).update(Text("\n").join(lines))
        main.query_one("#overview").display = bool(overview)
        self._showing.refresh()
        if self.followed:
            main.query_one("#details Static", Static).update(Text("\n").join(self.followed.lines()))

    def _tabs(self, width: int) -> Text:
        parts: list[Any] = []
        for rows, name, filter in (
            (self._queue, "Queue", self.board.queue_filter),
            (self._history, "History", self.board.history_filter),
        ):
            many = f"{len(rows.listing.rows)}" + ("+" if len(rows.listing.rows) >= feeds.ROWS else "")
            found = f" {name} {many}" + (f" ({filter})" if filter else "") + " "
            parts += [screen.styled(found, "bold reverse" if rows is self._showing else "dim"), " "]
        line = Text.assemble(*parts)
        line.truncate(width, overflow="ellipsis")
        return line

    # --- moving about

    @property
    def _showing(self) -> Rows:
        return self._queue if self.shows_queue else self._history

    def action_move(self, by: int) -> None:
        self._showing.move(by)

    def action_page(self, by: int) -> None:
        self._showing.move(by * self._showing.page)

    def action_switch(self) -> None:
        self._showing.display = False
        self.shows_queue = not self.shows_queue
        self._showing.display = True
        self._now()

    def action_details(self) -> None:
        """Of the task under the cursor; again, and they close."""
        chosen = self._showing.listing.selected
        if chosen is None or (self.followed and self.followed.id == chosen.id):
            self.action_close_details()
        else:
            self._follow(chosen.id)

    def action_close_details(self) -> None:
        self.followed = None
        self.workers.cancel_group(self, "details")
        self.query_one("#details").display = False
        self._now()

    @on(Rows.Moved)
    def moved(self) -> None:
        chosen = self._showing.listing.selected
        if self.followed and chosen:
            self._follow(chosen.id)

    def _follow(self, id: int) -> None:
        self.followed = Followed(id)
        self._feed("details", feeds.feed_details(self.client, self.board, self.followed))
        pane = self.query_one("#details", VerticalScroll)
        pane.display = True
        pane.scroll_home(animate=False)
        self._now()

    def action_scroll_details(self, by: int) -> None:
        self.query_one("#details", VerticalScroll).scroll_relative(y=5 * by, animate=False)

    def _now(self) -> None:
        self.board.is_stale = True
        self._show()

    # --- pages

    def action_overview(self) -> None:
        if self.board.picture:
            console = self.console
            width = max(20, int(self.size.width * 0.96) - 6)
            rendered = console.render_lines(drawn(self.board.picture), console.options.update(width=width))
            lines = [Text.assemble(*((each.text, each.style or "") for each in line)) for line in rendered]
            self.push_screen(Leaf(lines))

    def action_keys(self) -> None:
        self.push_screen(Leaf([Text(line) for line in HELP.splitlines()]))
