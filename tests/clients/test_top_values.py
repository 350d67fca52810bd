"""What `windlass top` knows and how it tells it, without a server and without a terminal."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from windlass_cli.card import TAIL_BYTES
from windlass_cli.top import columns, summary
from windlass_cli.top.board import Board
from windlass_cli.top.followed import Followed
from windlass_cli.top.listing import Listing
from windlass_cli.top.trend import Trend
from windlass_client import (
    Coalescing,
    Counts,
    Gate,
    GateKind,
    HealthSignal,
    InvalidArgument,
    Lane,
    LaneStanding,
    Origin,
    OutputWritten,
    Pause,
    Picture,
    Pool,
    Progress,
    ProgressMade,
    QueueCurrent,
    Section,
    SectionLine,
    Severity,
    StageEntered,
    State,
    StateChanged,
    StepWritten,
    Stream,
    Task,
    TaskGone,
    TaskSeen,
    Unavailable,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
NONE = Counts(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Thing:
    id: int


def things(*ids: int) -> list[Thing]:
    return [Thing(id) for id in ids]


TASK = Task(
    id=1,
    kind="Wait",
    title="",
    priority=5,
    pool="default",
    trigger="api",
    origin=Origin.USER,
    initiator="ada",
    labels={},
    payload=None,
    retry_attempts=1,
    retry_pause=0.0,
    created=NOW,
    state=State.PENDING,
    next_try=NOW,
    started=None,
    ended=None,
    attempt=0,
    retries=0,
    node="",
    stage="",
    progress=None,
    message="",
    result=None,
)
POOL = Pool("default", slots=4, in_use=0, pause=None, waiting=0, is_more=False, oldest_wait=None)
PICTURE = Picture(
    time=NOW,
    is_idle=True,
    summary="nothing running, nothing pending",
    pools=(),
    active=(),
    active_count=0,
    deferred=0,
    blocked=0,
    coalescing=(),
    lanes=(),
    signals=(),
    sections=(),
    live_nodes=1,
    counts=NONE,
)


def task(id: int, **known: Any) -> Task:
    return replace(TASK, id=id, **{"title": f"task {id}", **known})


def pool(name: str = "default", **known: Any) -> Pool:
    return replace(POOL, name=name, **known)


def picture(**known: Any) -> Picture:
    return replace(PICTURE, **known)


def shown(board: Board, *changes: Any) -> list[int]:
    for change in [*changes, QueueCurrent(NOW)]:
        board.change(change)
    return [each.id for each in board.queue.rows]


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


# --- the cursor


def listed(*ids: int, at: int = 0) -> Listing[Thing]:
    listing: Listing[Thing] = Listing()
    listing.put(things(*ids))
    listing.move(at)
    return listing


def chosen_of(listing: Listing[Thing], *ids: int) -> int | None:
    """Where the cursor is after the list has become this."""
    listing.put(things(*ids))
    return listing.selected.id if listing.selected else None


def test_the_cursor_stays_on_its_thing_while_the_list_changes_around_it():
    listing = listed(1, 2, 3, at=1)
    assert chosen_of(listing, 9, 8, 1, 2, 3) == 2
    assert chosen_of(listing, 2, 9) == 2


def test_when_its_thing_goes_the_cursor_stays_in_its_place():
    listing = listed(1, 2, 3, at=1)
    assert chosen_of(listing, 1, 3) == 3
    assert chosen_of(listing, 1) == 1
    assert chosen_of(listing) is None
    assert not listing.move(1)
    assert chosen_of(listing, 5, 6) == 5


def test_rows_that_come_in_above_leave_the_cursor_on_its_line_of_the_screen():
    listing = listed(*range(20, 40), at=10)
    listing.window(5)
    line = listing.at - listing.first
    listing.put(things(*range(40)))
    assert [each.id for each in listing.window(5)][line] == 30


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-40, 40), st.integers(0, 12))))
def test_the_window_always_holds_the_cursor_and_never_more_than_fits(steps: list[tuple[int, int, int]]):
    listing: Listing[Thing] = Listing()
    for count, move, height in steps:
        listing.put(things(*range(count)))
        listing.move(move)
        window = listing.window(height)
        assert len(window) == min(max(1, height), count)
        assert count == 0 or window[listing.at - listing.first] == listing.selected


# --- the board


def test_the_queue_is_in_its_own_order_what_runs_first_then_what_is_claimed_next():
    waiting = [task(1), task(2, priority=9), task(3, priority=9, next_try=NOW - timedelta(hours=1))]
    running = [task(5, state=State.CANCELLING), task(4, state=State.RUNNING)]
    assert shown(Board("here"), *map(TaskSeen, [*waiting, *running])) == [4, 5, 3, 2, 1]


def test_a_page_is_shown_once_it_is_whole():
    board = Board("here")
    shown(board, TaskSeen(task(1)), TaskSeen(task(2)))
    board.change(TaskGone(1))
    assert [each.id for each in board.queue.rows] == [1, 2]
    assert shown(board) == [2]


def test_another_filter_leaves_the_old_page_until_the_new_one_is_whole():
    board = Board("here")
    shown(board, TaskSeen(task(1)))
    board.queue_filter = "priority > 9"
    board.begin_queue()
    assert [each.id for each in board.queue.rows] == [1]
    assert shown(board, TaskSeen(task(2))) == [2]
    assert (shown(board, TaskGone(2)), board.why_no_tasks) == ([], "No task matches the filter.")


def test_an_outage_is_told_with_the_address_until_every_feed_is_back():
    board = Board("10.0.0.1:7654")
    for feed in ("overview", "queue"):
        board.trouble(feed, Unavailable("connection refused"))
    assert board.troubles == ["Kernel unreachable at 10.0.0.1:7654; looking for it again …"]
    board.draw(picture())
    assert board.troubles
    shown(board)
    assert board.troubles == []


def test_a_kernel_that_answers_but_cannot_is_not_called_unreachable():
    board = Board("here")
    board.trouble("overview", Unavailable("the database is away", reason="STORE_UNAVAILABLE"))
    board.trouble("queue", InvalidArgument("filter: no\x1b[2J field"))
    assert board.troubles == ["The kernel at here cannot answer: the database is away", "filter: no\\x1b[2J field"]


# --- the trend


def test_rates_are_differences_over_the_last_ten_seconds():
    trend = Trend()
    assert trend.rates is None
    for second in range(61):
        late = max(0, second - 50)
        trend.sample(float(second), picture(counts=replace(NONE, enqueued=5 * second, succeeded=late, failed=2 * late)))
    assert trend.rates == (5.0, 1.0, 2.0, 0.0)


def test_the_sparkline_shows_the_backlog_and_blanks_where_there_was_no_picture():
    trend = Trend()
    for second, waiting in enumerate([9, 0, 1, None, 5000, 10_000]):
        trend.sample(second, None if waiting is None else picture(pools=(pool(waiting=waiting), pool("b"))))
    assert trend.sparkline(5) == "▁▂ ▅█"
    assert trend.sparkline(0) == ""
    assert trend.rates is not None


# --- lines


EVERY_COLUMN = ["Origin", "ID", "Status", "Title", "Stage", "Progress", "Created", "Started", "Retries"]
EVERY_COLUMN += ["Priority", "Type"]
ROWS = [
    task(1, title="漢字" * 30, state=State.RUNNING, started=NOW, progress=Progress(1, 2), stage="s" * 60),
    task(1234567, title="\x1b[2Jevil\nline \u202e", kind="K" * 90),
    task(3, title="", priority=99),
]


@pytest.mark.parametrize("width", [1, 20, 40, 79, 80, 81, 120, 300])
def test_every_line_of_a_list_is_as_wide_as_the_screen_whatever_is_in_it(width: int):
    lines = columns.QUEUE.lines(ROWS, width, 1)
    assert [line.cell_len for line in lines] == [width] * 4
    assert not any(control in line.plain for line in lines for control in "\x1b\n\u202e")


def test_eighty_columns_have_room_for_what_matters_and_more_have_room_for_all():
    header, *rows = plain(columns.QUEUE.lines([task(7, kind="ExecuteScript", state=State.RUNNING, started=NOW)], 80, 0))
    assert header.split() == ["ID", "Status", "Title", "Started", "Priority", "Type"]
    assert rows[0].startswith("▸  7 ")
    header = columns.QUEUE.lines(ROWS, 180, None)[0].plain
    assert header.split() == EVERY_COLUMN


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (None, ""),
        (Progress(12, 0), "12"),
        (Progress(0, 9), "░░░░░░░░   0%"),
        (Progress(99, 100), "███████░  99%"),
        (Progress(7, 3), "████████ 100%"),
    ],
)
def test_progress_is_a_bar_that_is_full_at_the_end_only(made: Progress | None, text: str):
    assert columns.progress(made) == text


def test_the_overview_begins_with_what_is_wrong_and_what_to_check():
    whole = picture(
        signals=(HealthSignal("stuck", Severity.CRITICAL, "2 are stuck", ("the log",), (), 60.0),),
        pools=(
            pool(in_use=4, waiting=3, oldest_wait=5.0, pause=Pause("ada", "\x1b[2Jfull", None)),
            pool("a-very-long-name-of-a-pool"),
        ),
        deferred=2,
        lanes=(
            Lane("gpu", 1, LaneStanding(7, 1, "n", NOW), (LaneStanding(8, 1, "n", NOW),)),
            Lane("idle", 1, None, ()),
        ),
        coalescing=(Coalescing(7, "Crawl", "acme", "", State.RUNNING, 3, NOW),),
        sections=(Section("x", "Scripts", "3 hosts", (SectionLine("disk", "full", True),), None),),
    )
    assert plain(summary.details(whole, 200, 50)) == [
        "✗ 2 are stuck (for 1 min 00 s)",
        "    → the log",
        "default           ████████████████████ 4/4  3 waiting, the oldest 5.00 s  paused by ada since —: \\x1b[2Jfull",
        "a-very-long-nam…  ░░░░░░░░░░░░░░░░░░░░ 0/4",
        "2 not due yet, 0 blocked",
        "lanes  gpu: task 7 +1",
        "coalescing  4 Crawl in task 7",
        "Scripts  3 hosts  disk full",
    ]
    cut = plain(summary.details(whole, 30, 3))
    assert cut[2:] == ["… and 6 more lines: o"]
    assert max(map(len, cut)) <= 30
    assert summary.details(whole, 80, 0) == []


def test_the_heading_says_who_where_and_how_it_goes():
    board = Board("here:1")
    assert plain(summary.heading(board, "ada", 80))[1:] == ["asking the server …"]
    board.draw(picture(summary="12 running", pools=(pool(waiting=10_000, is_more=True),)))
    for second in range(3):
        board.sample(second)
    first, *rest = plain(summary.heading(board, "ada (viewer)", 80))
    assert first.startswith("windlass top  here:1  ada (viewer)  1 node  ")
    assert rest == ["12 running", "backlog ███ 10000+  in 0.0/s  done 0.0/s  failed 0.0/s  retried 0.0/s"]
    board.trouble("overview", Unavailable("gone"))
    _, trouble, as_of, _ = plain(summary.heading(board, "ada", 80))
    assert trouble == "Kernel unreachable at here:1; looking for it again …"
    assert as_of.startswith("12 running  (as of ")


# --- details


def followed(**known: Any) -> Followed:
    made = Followed(7)
    made.learn(task(7, **known), None, ())
    return made


def test_details_begin_with_how_it_stands_and_the_end_of_its_output():
    details = followed(state=State.RUNNING, started=NOW, node="n1", attempt=2)
    assert details.take(StateChanged(1, 1, NOW, State.RUNNING, "", "n1", None, None))
    assert not details.take(StageEntered(2, 1, NOW, "loading"))
    details.take(ProgressMade(3, 1, NOW, Progress(1, 2)))
    details.take(StepWritten(4, 1, NOW, "step\x1b[2J one", {"n": 1}))
    details.take(OutputWritten(5, 1, NOW, Stream.STDOUT, b"of the first attempt\n", 0))
    for n in range(10):
        details.take(OutputWritten(6 + n, 2, NOW, Stream.STDOUT, b"\x1b[2Jline %d\n" % n, 0))
    lines = plain(details.lines())
    assert lines[0].startswith("7 task 7")
    assert lines[0].endswith(" on n1, attempt 2  loading  ████░░░░  50%")
    assert lines[2:5] == ["Output (its end)", "  line 2", "  line 3"]
    assert any(line.endswith('step\\x1b[2J one  {"n": 1}') for line in lines)
    assert not any("of the first attempt" in line for line in lines)
    assert details.last == 15


def test_details_of_a_waiting_task_say_why_it_waits():
    details = Followed(7)
    details.learn(task(7), None, [Gate(GateKind.POOL_PAUSED, "the pool is paused", "somebody resumes it", ())])
    assert "1. The pool is paused" in plain(details.lines())
    assert "   $ windlass pools resume default" in plain(details.lines())


def test_a_flood_of_output_and_steps_is_kept_to_its_end():
    details = followed(state=State.RUNNING)
    for n in range(1000):
        details.take(OutputWritten(2 * n, 1, NOW, Stream.STDOUT, b"x" * 1000, 0))
        details.take(StepWritten(2 * n + 1, 1, NOW, f"step {n}", None))
    assert len(details._tail) == TAIL_BYTES
    assert len(details.lines()) < 300


def test_details_of_a_task_that_is_not_there_say_so():
    details = Followed(7)
    assert plain(details.lines()) == ["task 7 …"]
    details.trouble = "there is no task 7"
    assert plain(details.lines()) == ["there is no task 7"]
