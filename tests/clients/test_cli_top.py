"""`windlass top` against a kernel, without a terminal but for the last test."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rich.cells import cell_len
from textual.pilot import Pilot
from windlass.control.server import Server
from windlass_cli.top.app import Top
from windlass_client import Client

from tests.clients.command_line import CommandLine
from tests.control.calling import TOKEN, Calling, State
from tests.waiting import eventually

WITHIN_S = 20.0


class Screen:
    """What somebody who sits there sees, and types."""

    def __init__(self, app: Top, pilot: Pilot[None]) -> None:
        self.app, self._pilot = app, pilot

    @property
    def lines(self) -> list[str]:
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def shows(self, *parts: str) -> None:
        """Each of them; how many blanks are between the words is not looked at."""
        wanted = [_squeezed(part) for part in parts]
        await self.until(lambda text: all(part in _squeezed(text) for part in wanted), f"shows {parts}")

    async def until(self, true: Callable[[str], bool], what: str = "") -> None:
        try:
            await eventually(lambda: true(self.text), WITHIN_S)
        except AssertionError:
            raise AssertionError(f"never {what}:\n{self.text}") from None

    def under_the_cursor(self) -> str:
        (line,) = [line for line in self.lines if line.startswith("▸")]
        return line

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    async def resize(self, width: int, height: int) -> None:
        await self._pilot.resize_terminal(width, height)


def _squeezed(text: str) -> str:
    return re.sub(" +", " ", text)


@asynccontextmanager
async def top(address: str, timeout: float = 30.0) -> AsyncIterator[Screen]:
    async with Client.connect(address, TOKEN, timeout=timeout) as client:
        app = Top(client, who="tests (admin)")
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            yield Screen(app, pilot)


@pytest.fixture
async def seen(kernel: Calling) -> AsyncIterator[Screen]:
    async with top(kernel.address) as screen:
        yield screen


async def test_it_shows_what_runs_and_follows_what_changes(seen: Screen, kernel: Calling):
    await seen.shows("nothing running, nothing pending", "Nothing is running, nothing waits.", "tests (admin)  1 node")
    await seen.shows("default      ░░░░░░░░░░░░░░░░░░░░ 0/40", "backlog ▁")
    name = await kernel.enqueue("Wait", title="nightly 漢字", priority=12)
    await seen.shows(" Running ", "nightly 漢字", " High ", "█░░░░░░░░░░░░░░░░░░░ 1/40", "1 running", "History 1")
    kernel.wait.gate.set()
    await kernel.ended(name)
    await seen.shows("Nothing is running, nothing waits.", "nothing running, nothing pending")
    await seen.press("tab")
    await seen.shows(" Completed ", "nightly 漢字", "root")


async def test_titles_command_nothing_and_wide_characters_keep_the_columns(seen: Screen, kernel: Calling):
    for title in ("\x1b[2J[red]evil[/red]", "漢字漢字", "plain"):
        await kernel.enqueue("Wait", title=title)
    await seen.until(lambda text: text.count(" Running ") == 3)
    rows = [line for line in seen.lines if " Running " in line]
    assert "\\x1b[2J[red]evil[/red]" in rows[0]
    assert {cell_len(line[: line.index(" Medium ")]) for line in rows} == {
        cell_len(rows[2][: rows[2].index(" Medium ")])
    }
    assert "\x1b" not in seen.text


async def test_the_cursor_stays_on_its_task_and_the_details_on_theirs(seen: Screen, kernel: Calling):
    far = Timestamp()
    far.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    for n in range(3):
        await kernel.enqueue("Wait", title=f"later {n}", priority=3 - n, due_time=far)
    await seen.shows("later 2")
    await seen.press("down")
    await seen.press("enter")
    await seen.shows("2 later 1", "waits since", "What clears it:")
    assert "later 1" in seen.under_the_cursor()
    await kernel.enqueue("Wait", title="urgent", priority=50)
    await seen.shows("urgent")
    assert "later 1" in seen.under_the_cursor()
    await seen.press("i", "enter", "y")
    await seen.until(lambda _: "later 2" in seen.under_the_cursor())
    await seen.shows("2 later 1   Canceled")  # what one looked at stays until the cursor is moved
    await seen.press("r")
    await seen.shows("Ask again for what task 2 (later 1) was asked?")
    await seen.press("n", "up")
    await seen.shows("1 later 0   Pending")
    await seen.press("enter")
    await seen.until(lambda text: "What clears it" not in text)


async def test_details_are_live_to_the_last_line(seen: Screen, kernel: Calling):
    name = await kernel.enqueue("Wait", title="talks")
    await seen.shows("talks")
    await seen.press("enter")
    await seen.shows("attempt 1", "stage: waiting")
    kernel.wait.tape.put_nowait(42)
    await seen.shows("word 42", "Output (its end)", "  42")
    kernel.wait.gate.set()
    await kernel.ended(name)
    await seen.shows("1 talks   Completed", "Attempt 1   Success")


async def test_interrupt_asks_why_and_whether_one_is_sure(seen: Screen, kernel: Calling):
    name = await kernel.enqueue("Wait", title="precious")
    await seen.shows("precious", " Running ")
    await seen.press("i")
    await seen.shows("Interrupt task 1 (precious): why?")
    await seen.press(*"wrong", "escape")
    await seen.until(lambda text: "why?" not in text)
    await seen.press("i", *"no need", "enter")
    await seen.shows("Interrupt task 1 (precious)? Reason: no need", "y: yes   n: no")
    await seen.press("n")
    await seen.until(lambda text: "y: yes" not in text)
    assert (await kernel.get(name)).state == State.STATE_RUNNING
    await seen.press("i", *"no need", "enter", "y")
    await seen.shows("task 1: Cancelling")
    assert (await kernel.ended(name)).state == State.STATE_CANCELED
    (entry,) = (await kernel.kernel._store.audit.entries(100)).items
    assert (entry.note.resource, entry.note.reason) == ("tasks/1", "no need")


async def test_a_key_means_what_the_open_dialog_makes_of_it(seen: Screen, kernel: Calling):
    await kernel.enqueue("Wait", title="precious")
    await seen.shows("precious", " Running ")
    for opening, question in (("i", "Interrupt task 1"), ("f", "Show what of the queue?"), ("r", "Ask again for what")):
        await seen.press(opening)
        await seen.shows(question)
        await seen.press("tab", "ctrl+c")
        await seen.until(lambda text, question=question: question not in text, "closes")  # type: ignore[misc]
        assert seen.app.shows_queue, "the list behind it stays what it was"
    await seen.press("question_mark", "ctrl+c", "tab")
    await seen.shows("History 1", "root")
    assert not seen.app.shows_queue
    await seen.press("ctrl+c")
    await eventually(lambda: not seen.app.is_running)


async def test_retry_and_priority_tell_the_answer_or_the_refusal_in_the_servers_words(seen: Screen, kernel: Calling):
    await kernel.ended(await kernel.enqueue("Echo", {"fail": 1}))
    name = await kernel.enqueue("Wait")
    await seen.shows("History 2", " Running ")
    await seen.press("r", "y")
    await seen.shows("task 2 has not ended: it is RUNNING")
    await seen.press("p", "backspace", *"1000", "enter")
    await seen.shows("a whole number from 0 to 100")
    await seen.press("backspace", "enter")
    await seen.shows("task 2: priority 100 (High)")
    assert (await kernel.get(name)).priority == 100
    await seen.press("tab", "down", "r")
    await seen.shows("Ask again for what task 1 (Echo fail) was asked?")
    await seen.press("y")
    await seen.shows("task 3 does task 1 again")


async def test_a_bad_filter_is_refused_in_the_servers_words_and_a_good_one_is_kept(seen: Screen, kernel: Calling):
    for n in range(2):
        await kernel.enqueue("Wait", title=f"number {n}", priority=4 + n)
    await seen.shows("number 0", "number 1")
    await seen.press("f", *"colour = red", "enter")
    await seen.shows("Show what of the queue?", "colour", "no field")
    await seen.press("ctrl+u", *"priority > 4", "enter")
    await seen.shows("Queue 1 (priority > 4)", "number 1")
    assert "number 0" not in seen.text
    await kernel.enqueue("Wait", title="number 2", priority=9)
    await seen.shows("Queue 2 (priority > 4)", "number 2")
    await seen.press("tab", "f", *"state = FAILED", "enter")
    await seen.shows("History 0 (state = FAILED)", "No card matches the filter.")


@pytest.mark.parametrize("timeout", [30.0, 0.5], ids=["a short outage", "longer than a call may take"])
async def test_an_unreachable_kernel_is_said_with_its_address_and_comes_back_by_itself(kernel: Calling, timeout: float):
    server = Server(kernel.kernel, TOKEN)
    address = await server.start("127.0.0.1:0")
    await kernel.enqueue("Wait", title="before")
    async with top(address, timeout) as seen:
        await seen.shows("before", "1 running")
        await seen.press("enter")
        kernel.wait.tape.put_nowait(11)
        await seen.shows("word 11")
        await eventually(lambda: seen.app.board.trend.rates)
        await server.stop(0)
        await seen.shows(f"Kernel unreachable at {address}", "(as of ", "before")
        await eventually(lambda: seen.app.board.trend.rates is None)
        following = seen.app.followed
        assert following is not None
        await eventually(lambda: following.trouble or timeout > 1)
        await kernel.enqueue("Echo", {"meanwhile": 1})
        server = Server(kernel.kernel, TOKEN)
        await server.start(address)
        kernel.wait.tape.put_nowait(12)
        await seen.until(lambda text: "unreachable" not in text and "History 2" in text and "word 12" in text)
        await eventually(lambda: not following.trouble)
        assert seen.text.count("word 11") == 1
    await server.stop(0)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
async def test_it_fits_the_screen_whatever_its_size(kernel: Calling, width: int, height: int):
    await kernel.enqueue("Wait", title="a title that is long enough to be cut on a narrow screen")
    async with top(kernel.address) as seen:
        await seen.shows("Running")
        await seen.resize(width, height)
        await seen.press("enter")
        await seen.until(lambda text: text.count("a title") == 2)
        assert len(seen.lines) == height
        assert max(map(cell_len, seen.lines)) <= width
        assert seen.lines[-1].startswith("enter details")
        assert "Running" in seen.under_the_cursor()


async def test_help_and_the_whole_overview_are_pages_that_close(seen: Screen, kernel: Calling):
    await seen.shows("nothing running")
    await seen.press("question_mark")
    await seen.shows("between the queue and the history")
    await seen.press("q", "o")
    await seen.shows("Waiting  Oldest  Paused")
    await seen.press("escape")
    await seen.until(lambda text: "Oldest  Paused" not in text)
    await seen.press("q")
    await eventually(lambda: not seen.app.is_running)


async def test_an_error_nobody_foresaw_ends_the_screen_and_is_kept_for_the_one_line(seen: Screen, kernel: Calling):
    await seen.shows("nothing running")
    seen.app.board.tell_history = None  # type: ignore[assignment,method-assign]
    await eventually(lambda: seen.app.broke)
    assert isinstance(seen.app.broke, TypeError)
    await eventually(lambda: not seen.app.is_running)


async def test_on_a_terminal_it_starts_and_q_leaves(operator: CommandLine, kernel: Calling):
    await kernel.enqueue("Wait", title="seen")
    terminal = await operator.on_a_terminal("top")
    await terminal.until(lambda shown: b"seen" in shown and b"root (admin)" in shown)
    terminal.type(b"q")
    assert await terminal.ended() == 0
    assert terminal.shown.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?1049l" in terminal.shown


async def test_without_colours_it_says_the_same(operator: CommandLine, kernel: Calling):
    operator.environ |= {"NO_COLOR": "1", "COLORTERM": "truecolor"}
    terminal = await operator.on_a_terminal("top")
    await terminal.until(lambda shown: b"nothing running" in shown)
    terminal.type(b"\x03")
    assert await terminal.ended() == 0
    colours = {tuple(found.split(b";")) for found in re.findall(rb"\x1b\[[0-9;]*?[34]8;2;([0-9;]+)m", terminal.shown)}
    assert colours, "it draws in grey"
    assert all(len(set(colour[:3])) == 1 for colour in colours), colours


async def test_in_a_pipe_it_says_what_to_use_instead(operator: CommandLine, kernel: Calling):
    ended = await operator.run("top")
    assert (ended.code, ended.out) == (2, b"")
    assert ended.errors.startswith("error: top needs a terminal; in a pipe: windlass overview --watch")
