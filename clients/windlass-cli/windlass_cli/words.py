"""How things are called and coloured: states, priorities, times, durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windlass_client import Card, Pause, Picture, Task

DASH = "—"
UNTITLED = "Untitled"

STATE_STYLES = {
    "PENDING": "yellow",
    "RUNNING": "cyan",
    "CANCELLING": "magenta",
    "COMPLETED": "green",
    "FAILED": "bold red",
    "CANCELED": "magenta",
    # how attempts end
    "SUCCESS": "green",
    "RETRY": "yellow",
    "LOST": "red",
    "RETURNED": "yellow",
    # nodes
    "LIVE": "green",
    "DRAINING": "yellow",
    "LEFT": "bright_black",
    # ticks of schedules
    "RAN": "green",
    "SKIPPED": "yellow",
    "CAUGHT_UP": "cyan",
    "BY_HAND": "magenta",
    # whatever can be stopped
    "PAUSED": "yellow",
    "ACTIVE": "green",
    # health
    "WARNING": "yellow",
    "CRITICAL": "bold red",
    "OK": "green",
    "WARN": "yellow",
    "FAIL": "bold red",
}
BADGE_STYLES = {"High": "bold white on red", "Medium": "black on yellow", "Low": "white on bright_black"}


def label(state: str) -> str:
    """Pending, Running, Cancelling, Completed, Failed, Canceled."""
    return state.replace("_", " ").capitalize()


def priority_label(priority: int) -> str:
    """High is 10 and more, medium 5 to 9, low less than 5."""
    return "High" if priority >= 10 else "Medium" if priority >= 5 else "Low"


def title(task: Task) -> str:
    return task.title or UNTITLED


def title_of_card(card: Card) -> str:
    """Without a title, the kind in words: ExecuteScript is "Execute script"."""
    return card.task.title or kind_in_words(card.task.kind)


def kind_in_words(kind: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", kind)
    return words[:1].upper() + words[1:].lower()


def clock(time: datetime | None, now: datetime) -> str:
    """In the local zone, as short as it can be: the time today, the day this year, the year before."""
    if time is None:
        return DASH
    local, today = time.astimezone(), now.astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%d %b %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def when(time: datetime | None) -> str:
    """As clock, seen from now."""
    return clock(time, datetime.now(UTC))


def ago(time: datetime | None) -> str:
    """ "3 min 05 s ago", a dash when it never was"""
    return f"{duration((datetime.now(UTC) - time).total_seconds())} ago" if time else DASH


def between(begin: datetime | None, end: datetime | None) -> str:
    """The time from begin to end; a dash when one of them is missing."""
    return duration((end - begin).total_seconds()) if begin and end else DASH


def duration(seconds: float) -> str:
    """0.12 s, 12.3 s, 3 min 05 s, 2 h 05 min, 3 d 04 h"""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24:02} h"


def until(time: datetime | None, now: datetime) -> str:
    """ "in 12.3 s", "now" """
    if time is None or time - now < timedelta(milliseconds=50):
        return "now"
    return f"in {duration((time - now).total_seconds())}"


def size(count: int) -> str:
    """Bytes: 512 bytes, 12.3 kB, 4.5 MB"""
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def counted(count: int, one: str, many: str = "") -> str:
    """ "1 task", "12 tasks", "no tasks" """
    return f"{count or 'no'} {one if count == 1 else many or one + 's'}"


def workers(picture: Picture) -> str:
    """ "2 nodes, 3 agents, 1 draining" """
    said = [counted(picture.live_nodes, "node")]
    if picture.live_agents:
        said.append(counted(picture.live_agents, "agent"))
    if picture.draining:
        said.append(f"{picture.draining:,} draining")
    return ", ".join(said)


def some_of(count: int, *, is_more: bool) -> str:
    """A number that was not counted to its end says so: "10000+"."""
    return f"{count}+" if is_more else str(count)


def because(pause: Pause | None) -> str:
    """Who paused it, since when, and why; empty when nobody did."""
    if not pause:
        return ""
    return f"by {pause.by} since {when(pause.time)}" + (f": {pause.reason}" if pause.reason else "")


def span(seconds: float | None) -> str:
    """As duration, a dash when there is none."""
    return DASH if seconds is None else duration(seconds)
