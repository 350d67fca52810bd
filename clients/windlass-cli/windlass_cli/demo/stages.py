"""Where the demo is seen: a calm panel on a terminal, plain prefixed lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.live import Live
from rich.table import Table

from windlass_cli import screen, words
from windlass_cli.demo.acts import Part
from windlass_cli.harmless import one_line, shortened

LINES_OF_EACH = 14
REDRAWN_A_SECOND = 8


class Stage(Protocol):
    """Entered with the parts enqueued; `changed` after every event, with the lines of output that it completed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def changed(self, part: Part, lines: Sequence[str]) -> None: ...


class PlainStage:
    """`[checksum] …`: the first lines of everything, then a count."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._width = max(len(part.act.name) for part in parts)
        self._printed: dict[int, int] = {}
        self._said: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def changed(self, part: Part, lines: Sequence[str]) -> None:
        for line in lines:
            self._output(part, line)
        said = _situation(part)
        if said != self._said.get(part.id):
            self._said[part.id] = said
            if part.state.final:
                self._count(part)
            self._print(part, f"· {said}")

    def _output(self, part: Part, line: str) -> None:
        printed = self._printed[part.id] = self._printed.get(part.id, 0) + 1
        if printed <= LINES_OF_EACH and line.strip():
            self._print(part, line)

    def _count(self, part: Part) -> None:
        more = part.lines - LINES_OF_EACH
        if more > 0:
            left_out = f", and {words.size(part.dropped)} the server left out" if part.dropped else ""
            self._print(part, f"· … {more} more lines{left_out}")

    def _print(self, part: Part, text: str) -> None:
        print(f"[{part.act.name}]".ljust(self._width + 3) + one_line(text), flush=True)


class PanelStage:
    """One line for each task: its state, its title, its attempt, how long it takes, what it said last."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._live = Live(
            get_renderable=self._panel, console=screen.console(), refresh_per_second=REDRAWN_A_SECOND, transient=False
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def changed(self, part: Part, lines: Sequence[str]) -> None:
        """The panel draws itself, at its own pace."""

    def _panel(self) -> Table:
        now = time.monotonic()
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), expand=True)
        table.add_column("Status", no_wrap=True, min_width=10)
        table.add_column("Task", no_wrap=True)
        table.add_column("Attempt", no_wrap=True, justify="right")
        table.add_column("Time", no_wrap=True, justify="right", min_width=8)
        table.add_column("Last line", ratio=1)
        for part in self._parts:
            took = words.duration((part.ended or now) - part.began) if part.began else words.DASH
            last = screen.cut(screen.styled(shortened(part.last_line, 200), "dim"))
            attempt = str(part.attempt) if part.attempt else words.DASH
            table.add_row(screen.state(part.state), screen.styled(part.act.title), attempt, took, last)
        return table


def _situation(part: Part) -> str:
    """Where it stands, in words; the same words mean that nothing has changed."""
    why = f": {part.message}" if part.message else ""
    if part.state.final:
        took = words.duration((part.ended or 0) - (part.began or 0))
        return f"{words.label(part.state).lower()} after {took}, attempt {part.attempt}{why}"
    if part.state == "PENDING" and part.attempt:
        return f"attempt {part.attempt} is over{why}; it will be tried again"
    return f"{words.label(part.state).lower()}, attempt {part.attempt}" if part.attempt else "waiting"
