"""The whole at one moment, drawn: what runs, what waits, and what to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from windlass_cli import screen, words
from windlass_cli.forms import Column
from windlass_cli.tables import table
from windlass_cli.work import LANES, TASKS

if TYPE_CHECKING:
    from windlass_client import Coalescing, HealthSignal, Pool, Section

BAR = 20
SEVERITY_MARKS = {"CRITICAL": ("✗", "bold red"), "WARNING": ("!", "yellow")}
ALARMING = {True: "bold red", False: ""}
SHOWN = ("ID", "Status", "Title", "Started", "Progress", "Stage", "Trigger", "Type", "Node")


def bar(pool: Pool) -> Text:
    """How full it is: `████░░░░ 3/40`."""
    share = min(1.0, pool.in_use / pool.slots) if pool.slots else float(pool.in_use > 0)
    filled = max(round(share * BAR), 1 if pool.in_use else 0)
    style = "red" if share >= 1 else "yellow" if share >= 0.8 else "green"
    return Text.assemble(("█" * filled, style), ("░" * (BAR - filled), "dim"), f" {pool.in_use}/{pool.slots}")


POOLS: tuple[Column[Pool], ...] = (
    Column("Pool", lambda pool: pool.name),
    Column("Workers", bar),
    Column("Waiting", lambda pool: words.some_of(pool.waiting, is_more=pool.is_more), number=True),
    Column("Oldest", lambda pool: words.span(pool.oldest_wait), number=True),
    Column("Paused", lambda pool: (words.because(pool.pause), "yellow"), gives_way=True),
)
COALESCING: tuple[Column[Coalescing], ...] = (
    Column("ID", lambda each: each.task, number=True),
    Column("Status", lambda each: screen.state(each.state)),
    Column("Title", lambda each: each.title, gives_way=True),
    Column("Type", lambda each: each.kind),
    Column("Key", lambda each: each.key, gives_way=True),
    Column("Joined", lambda each: each.joined, number=True),
    Column("Since", lambda each: words.when(each.create_time)),
)


def drawn(picture: Any) -> Group:
    return Group(*_parts(picture))


def _parts(picture: Any) -> Iterator[Any]:
    yield Text.assemble(
        screen.styled(picture.summary, "bold"),
        screen.styled(f"   {words.workers(picture)}, {words.when(picture.time)}", "dim"),
    )
    for signal in picture.signals:
        yield from signal_lines(signal)
    yield from _section("Pools", table(picture.pools, POOLS) if picture.pools else None)
    columns = [column for name in SHOWN for column in TASKS.columns if column.name == name]
    more = picture.active_count - len(picture.active)
    yield from _section("Active", table(picture.active, columns, wide=True) if picture.active else None)
    if more > 0:
        yield screen.styled(f"… and {more} more", "dim")
    yield from _section("Coalescing", table(picture.coalescing, COALESCING) if picture.coalescing else None)
    yield from _section("Lanes", table(picture.lanes, LANES.columns) if picture.lanes else None)
    yield from _later(picture)
    for section in picture.sections:
        yield from _section(section.title or section.name, _lines(section))


def _section(title: str, content: Any) -> Iterator[Any]:
    if content is not None:
        yield Text("")
        yield screen.styled(title, "bold cyan")
        yield content


def _later(picture: Any) -> Iterator[Any]:
    if picture.deferred or picture.blocked:
        yield Text("")
        yield screen.styled(f"{picture.deferred} not due yet, {picture.blocked} blocked", "dim")


def signal_lines(signal: HealthSignal) -> Iterator[Text]:
    mark, style = SEVERITY_MARKS.get(signal.severity, ("·", ""))
    since = f" (for {words.duration(signal.since)})" if signal.since else ""
    yield Text.assemble((f"{mark} ", style), screen.styled(f"{signal.summary}{since}", style))
    for check in signal.checks:
        yield screen.styled(f"    → {check}", "dim")


def _lines(section: Section) -> Group:
    width = max((len(line.name) for line in section.lines), default=0) + 2
    lines: Sequence[Text] = [
        Text.assemble(
            (line.name.ljust(width), "dim"), screen.styled(line.value, "bold red" if line.is_alarming else "")
        )
        for line in section.lines
    ]
    return Group(*([screen.styled(section.summary)] if section.summary else []), *lines)
