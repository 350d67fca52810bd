"""Questions in front of the screen, and pages to read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from windlass_cli import screen

BOX = """
    Ask, Sure, Leaf { align: center middle; }
    Ask > Vertical, Sure > Vertical { width: 76; max-width: 96%; height: auto; border: round $primary; padding: 0 1; }
    Leaf > VerticalScroll { width: 96%; height: 90%; border: round $primary; padding: 0 1; }
    Ask .problem { color: $error; height: auto; }
    Ask Static, Sure Static { height: auto; }
"""


class Ask(ModalScreen[str | None]):
    """A line of text, or None.  `check` says in words what is wrong with it, nothing when all is well."""

    CSS = BOX
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "leave", "leave", priority=True)]

    def __init__(
        self, question: str, hint: str, *, value: str = "", check: Callable[[str], Awaitable[str]] | None = None
    ) -> None:
        super().__init__()
        self._question, self._hint, self._value, self._check = question, hint, value, check

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(screen.styled(self._question, "bold"))
            yield Input(self._value, placeholder=self._hint, compact=True)
            yield Static("", classes="problem")
            yield Static(screen.styled("enter: go on   escape: leave it", "dim"))

    @on(Input.Submitted)
    def entered(self, entered: Input.Submitted) -> None:
        self._judge(entered.value.strip())

    @work(exclusive=True)
    async def _judge(self, value: str) -> None:
        problem = await self._check(value) if self._check else ""
        if problem:
            self.query_one(".problem", Static).update(screen.styled(problem))
        else:
            self.dismiss(value)

    def action_leave(self) -> None:
        self.dismiss(None)


class Sure(ModalScreen[bool]):
    """Only `y` means yes."""

    CSS = BOX
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,ctrl+c,q", "answer(False)", "no", priority=True),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(screen.styled(self._question, "bold"))
            yield Static(screen.styled("y: yes   n: no", "dim"))

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class Leaf(ModalScreen[None]):
    """Something to read; it scrolls."""

    CSS = BOX
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c,q,o,question_mark,enter", "leave", "close", priority=True)
    ]

    def __init__(self, lines: Sequence[Text]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(Text("\n").join(self._lines))

    def action_leave(self) -> None:
        self.dismiss(None)
