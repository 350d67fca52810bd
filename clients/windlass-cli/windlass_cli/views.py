"""What a followed task says, on its way to the screen: as text, as JSON, or not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TextIO

from windlass_client import (
    Event,
    OutputWritten,
    ProgressMade,
    StageEntered,
    State,
    StateChanged,
    StepWritten,
    Stream,
)

from windlass_cli import documents, words
from windlass_cli.harmless import TerminalText, one_line
from windlass_cli.options import Format
from windlass_cli.terminal import coloured

if TYPE_CHECKING:
    from datetime import datetime

    from windlass_cli.bars import Bar

DIM, PLAIN = "\x1b[2m", "\x1b[0m"


class View(Protocol):
    """`show` gets every event, in order; `close` comes once, behind the last one."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


class SilentView:
    def show(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


class EventsView:
    """One event a line (with json: in one array), each written when it happens."""

    def __init__(self, output: Format) -> None:
        self._output = output
        self._lead = "["

    def show(self, event: Event) -> None:
        document = documents.of_event(event)
        if self._output is Format.json:
            sys.stdout.write(f"{self._lead}{documents.as_text(document)}")
            self._lead = ",\n "
        else:
            documents.print_documents([document], self._output)
        sys.stdout.flush()

    def close(self) -> None:
        if self._output is Format.json:
            sys.stdout.write("[]\n" if self._lead == "[" else "]\n")
            sys.stdout.flush()


class TextView:
    """Output where it belongs: stdout to stdout, stderr to stderr; all else as dim lines on stderr.

    A pipe gets the bytes as they are; a terminal gets them harmless, and a bar while there is progress.
    """

    def __init__(self, title: str = "progress") -> None:
        self._title = title
        self._bar: Bar | None = None
        self._pipes = {Stream.STDOUT: _Pipe(sys.stdout), Stream.STDERR: _Pipe(sys.stderr)}
        self._started: datetime | None = None

    def show(self, event: Event) -> None:
        match event:
            case OutputWritten():
                if event.dropped:
                    self._say(f"… {words.size(event.dropped)} of output left out here")
                self._hide_bar()
                self._pipes.get(event.stream, self._pipes[Stream.STDOUT]).write(event.data)
            case StageEntered():
                self._say(f"stage: {event.stage}")
            case StepWritten():
                self._say(event.text)
            case ProgressMade():
                self._progress(event)
            case StateChanged():
                self._state(event)

    def close(self) -> None:
        self._hide_bar()
        for pipe in self._pipes.values():
            pipe.close()

    def _progress(self, event: ProgressMade) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from windlass_cli.bars import Bar

            for pipe in self._pipes.values():
                pipe.begin_line()
            self._bar = Bar(one_line(self._title))
        self._bar.move(event.progress.current, event.progress.total)

    def _hide_bar(self) -> None:
        """Before anything else is written: it comes back with the next progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _state(self, event: StateChanged) -> None:
        said = f": {event.message}" if event.message else ""
        match event.state:
            case State.PENDING if event.next_try and event.time and event.attempt:
                self._say(f"attempt {event.attempt} is over{said}; next try {words.until(event.next_try, event.time)}")
            case State.PENDING:
                self._say(f"waiting{said}")
            case State.RUNNING:
                self._started = event.time
                self._say(f"attempt {event.attempt} runs on {event.node}" if event.node else "running")
            case _:
                took = f" after {words.between(self._started, event.time)}" if self._started else ""
                self._say(f"{words.label(event.state).lower()}{took if event.state.final else ''}{said}")

    def _say(self, text: str) -> None:
        self._hide_bar()
        for pipe in self._pipes.values():
            pipe.begin_line()
        line = f"· {one_line(text)}"
        print(f"{DIM}{line}{PLAIN}" if coloured(sys.stderr) else line, file=sys.stderr, flush=True)


class OutputView(EventsView):
    """Only what a task writes, of one stream or both, from one attempt on; and, on stderr, how it ended."""

    def __init__(self, output: Format, *, first: int = 0, stream: Stream | None = None) -> None:
        super().__init__(output)
        self._first, self._stream = first, stream
        self._text = TextView() if output.for_people else None

    def show(self, event: Event) -> None:
        match event:
            case OutputWritten() if event.attempt >= self._first and self._stream in (None, event.stream):
                self._show(event)
            case StateChanged() if event.state.final and self._text:
                self._text.show(event)

    def close(self) -> None:
        if self._text:
            self._text.close()
        else:
            super().close()

    def _show(self, event: Event) -> None:
        if self._text:
            self._text.show(event)
        else:
            super().show(event)


class ProgressView(TextView):
    """For a task whose steps matter less than how far it is: a bar on a terminal, elsewhere its steps; and its end."""

    def show(self, event: Event) -> None:
        match event:
            case ProgressMade():
                super().show(event)
            case StateChanged() if event.state.final:
                super().show(event)
            case StepWritten() if not sys.stderr.isatty():
                super().show(event)


class _Pipe:
    """One of our own streams, taking the task's output."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = TerminalText() if stream.isatty() else None
        self._in_line = False

    def write(self, data: bytes) -> None:
        if self._terminal is None:
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()
        else:
            self._print(self._terminal.feed(data))

    def begin_line(self) -> None:
        """On a terminal, what we say ourselves must not stick to the end of the task's last line."""
        if self._in_line:
            self._print("\n")

    def close(self) -> None:
        if self._terminal is not None:
            self._print(self._terminal.close())
            self.begin_line()

    def _print(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
            self._in_line = not text.endswith(("\n", "\x1b[0m"))
