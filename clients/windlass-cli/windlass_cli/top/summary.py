"""The upper part of the screen: who and where, how it goes, and what needs a look, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from windlass_cli import screen, words
from windlass_cli.picture import bar, signal_lines
from windlass_cli.top.trend import backlog

if TYPE_CHECKING:
    from windlass_client import Picture, Pool

    from windlass_cli.top.board import Board

NAME = 16


def heading(board: Board, who: str, width: int) -> list[Text]:
    """Three lines, or more while something is out of reach."""
    picture = board.picture
    nodes = f"  {words.workers(picture)}" if picture else ""
    now = datetime.now(UTC)
    lines = [
        Text.assemble(
            ("windlass top", "bold cyan"),
            screen.styled(f"  {board.address}  {who}{nodes}  {words.clock(now, now)}", "dim"),
        )
    ]
    lines += [screen.styled(trouble, "bold white on red") for trouble in board.troubles]
    as_of = f"  (as of {words.clock(picture.time, now)})" if picture and board.troubles else ""
    lines.append(screen.styled(picture.summary + as_of if picture else "asking the server …", "bold"))
    if picture:
        lines.append(_trend(board, picture, width))
    return [_cut(line, width) for line in lines]


def details(picture: Picture, width: int, height: int) -> list[Text]:
    """What is wrong, pools, lanes, what folds together, what plugins say; `height` lines at most, told when cut."""
    lines = [_cut(line, width) for line in _everything(picture)]
    if len(lines) <= height:
        return lines
    kept = max(0, height - 1)
    return [*lines[:kept], screen.styled(f"… and {words.counted(len(lines) - kept, 'more line')}: o", "dim")][:height]


def _trend(board: Board, picture: Picture, width: int) -> Text:
    rates = board.trend.rates
    said = (
        f"  in {rates.enqueued:.1f}/s  done {rates.succeeded:.1f}/s  failed {rates.failed:.1f}/s"
        f"  retried {rates.retried:.1f}/s"
        if rates
        else ""
    )
    is_more = any(pool.is_more for pool in picture.pools)
    number = f" {words.some_of(backlog(picture), is_more=is_more)}"
    room = max(0, width - len("backlog ") - len(number) - len(said))
    line = board.trend.sparkline(min(room, 60))
    return Text.assemble(("backlog ", "dim"), (line, "cyan"), number, (said, "dim"))


def _everything(picture: Any) -> Iterator[Text]:
    for signal in picture.signals:
        yield from signal_lines(signal)
    longest = min(NAME, max((len(pool.name) for pool in picture.pools), default=0))
    for pool in picture.pools:
        yield _pool(pool, longest)
    if picture.deferred or picture.blocked:
        yield screen.styled(f"{picture.deferred} not due yet, {picture.blocked} blocked", "dim")
    held = [lane for lane in picture.lanes if lane.holder or lane.waiters]
    if held:
        yield _list("lanes", [_lane(lane) for lane in held])
    if joined := [each for each in picture.coalescing if each.joined]:
        yield _list("coalescing", [f"{each.joined + 1} {each.kind} in task {each.task}" for each in joined])
    for section in picture.sections:
        alarms = [f"{line.name} {line.value}" for line in section.lines if line.is_alarming]
        said = Text.assemble((f"{section.title or section.name}  ", "dim"), screen.styled(section.summary))
        yield Text.assemble(said, screen.styled("  " + ", ".join(alarms), "bold red")) if alarms else said


def _pool(pool: Pool, longest: int) -> Text:
    name = screen.styled(pool.name)
    name.truncate(longest, overflow="ellipsis", pad=True)
    waiting = words.some_of(pool.waiting, is_more=pool.is_more)
    since = f", the oldest {words.duration(pool.oldest_wait)}" if pool.oldest_wait else ""
    parts: list[Any] = [name, "  ", bar(pool)]
    if pool.waiting:
        parts.append((f"  {waiting} waiting{since}", ""))
    if pool.pause:
        parts.append(screen.styled(f"  paused {words.because(pool.pause)}", "bold yellow"))
    return Text.assemble(*parts)


def _lane(lane: Any) -> str:
    held = f"task {lane.holder.task}" if lane.holder else "free"
    return f"{lane.name}: {held}" + (f" +{len(lane.waiters)}" if lane.waiters else "")


def _list(name: str, items: list[str]) -> Text:
    return Text.assemble((f"{name}  ", "dim"), screen.styled(" · ".join(items)))


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
