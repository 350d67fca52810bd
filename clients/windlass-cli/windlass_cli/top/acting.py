"""What can be done to a task, and to what is shown: each asks first, and tells the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from textual import work
from textual.app import App
from windlass_client import WindlassError

from windlass_cli import words
from windlass_cli.harmless import one_line
from windlass_cli.top import feeds
from windlass_cli.top.dialogs import Ask, Sure

if TYPE_CHECKING:
    from windlass_client import Client, Task

    from windlass_cli.top.board import Board
    from windlass_cli.top.followed import Followed

T = TypeVar("T")


class Acting(App[None]):
    client: Client
    board: Board
    followed: Followed | None

    shows_queue = True
    """Else the history is on the screen."""
    broke: Exception | None = None
    """Why it has ended, when nobody foresaw that."""

    def feed_queue(self) -> None:
        """Shows the queue anew, by its filter."""
        self._feed("queue", feeds.feed_queue(self.client, self.board))

    def feed_history(self) -> None:
        """Shows the history anew, by its filter."""
        self._feed("history", feeds.feed_history(self.client, self.board))

    def _feed(self, group: str, feed: Coroutine[Any, Any, None]) -> None:
        """In place of the one of that group that runs."""

        async def fed() -> None:
            try:
                await feed
            except Exception as error:  # noqa: BLE001 - main tells it in one line, once the screen is gone
                self.broke = error
                self.exit()

        self.run_worker(fed(), group=group, exclusive=True)

    @property
    def target(self) -> Task | None:
        """The task in the details; without them, the one under the cursor."""
        if self.followed:
            return self.followed.task
        if self.shows_queue:
            return self.board.queue.selected
        card = self.board.history.selected
        return card.task if card else None

    @work
    async def action_interrupt(self) -> None:
        task = self.target
        if task is None:
            return
        name = f"task {task.id} ({words.title(task)})"
        reason = await self.push_screen_wait(Ask(f"Interrupt {name}: why?", "the reason, kept in the audit log"))
        if reason is None:
            return
        because = f" Reason: {reason}" if reason else ""
        if await self.push_screen_wait(Sure(f"Interrupt {name}?{because}")):
            await self._do(
                lambda: self.client.interrupt(task.id, reason),
                lambda task: f"task {task.id}: {words.label(task.state)}",
            )

    @work
    async def action_retry(self) -> None:
        task = self.target
        if task is None:
            return
        if await self.push_screen_wait(Sure(f"Ask again for what task {task.id} ({words.title(task)}) was asked?")):
            await self._do(
                lambda: self.client.retry(task.id), lambda handle: f"task {handle.id} does task {task.id} again"
            )

    @work
    async def action_priority(self) -> None:
        task = self.target
        if task is None:
            return
        question = f"The priority of task {task.id} ({words.title(task)})"
        said = await self.push_screen_wait(Ask(question, "0 to 100", value=str(task.priority), check=_no_priority))
        if said is not None:
            await self._do(
                lambda: self.client.reprioritize(task.id, int(said)),
                lambda task: f"task {task.id}: priority {task.priority} ({words.priority_label(task.priority)})",
            )

    async def _do(self, call: Callable[[], Awaitable[T]], said: Callable[[T], str]) -> None:
        """The answer, or the refusal in the server's words, at the edge of the screen."""
        try:
            self.notify(one_line(said(await call())), markup=False)
        except WindlassError as error:
            self.notify(one_line(error.message), severity="error", markup=False)

    @work
    async def action_filter(self) -> None:
        is_queue, board = self.shows_queue, self.board

        async def problem(filter: str) -> str:
            look = self.client.task_page if is_queue else self.client.card_page
            try:
                await look(filter=filter, page_size=1)
            except WindlassError as error:
                return error.message
            return ""

        name, before = ("queue", board.queue_filter) if is_queue else ("history", board.history_filter)
        hint = "state = RUNNING AND priority >= 10; empty: everything"
        said = await self.push_screen_wait(Ask(f"Show what of the {name}?", hint, value=before, check=problem))
        if said is None:
            return
        if is_queue:
            board.queue_filter = said
            self.feed_queue()
        else:
            board.history_filter = said
            self.feed_history()


async def _no_priority(text: str) -> str:
    return "" if text.isascii() and text.isdigit() and int(text) <= 100 else "a whole number from 0 to 100"
