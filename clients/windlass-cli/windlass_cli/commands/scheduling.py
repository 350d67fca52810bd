"""`windlass schedules create` and `update`: what a schedule is made of, from the command line."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass_cli import completion, words
from windlass_cli.durations import seconds_of
from windlass_cli.exits import USAGE, Failure
from windlass_cli.forms import fields
from windlass_cli.harmless import shortened
from windlass_cli.options import DryRun, Format, Labels, Output, Pool, Priority, ScheduleName, pairs, read_payload
from windlass_cli.printing import print_done
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client, Schedule


class CatchUpName(StrEnum):
    skip = "skip"
    one = "one"
    all = "all"


class OverlapName(StrEnum):
    skip = "skip"
    allow = "allow"


Cron = Annotated[str, typer.Option(metavar="LINE", help="Five fields, such as '30 4 * * *'.")]
Every = Annotated[str, typer.Option(metavar="TIME", help="From 1s to 366d, such as 15m; instead of --cron.")]
Zone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="In which --cron is read, such as Europe/Berlin; else UTC.")
]
Payload = Annotated[str | None, typer.Option(metavar="JSON|@FILE|-", help="What the kind wants to know.")]
TaskTitle = Annotated[str | None, typer.Option(help="Of the tasks it makes.")]
CatchUp = Annotated[CatchUpName | None, typer.Option(help="What becomes of ticks that nobody was there for.")]
Overlap = Annotated[OverlapName | None, typer.Option(help="Of a tick while the task before has not ended.")]


def create(  # noqa: PLR0913, PLR0917 - every option is a parameter
    name: Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its name: a-z, A-Z, 0-9, '.', '_', '-'.")],
    kind: Annotated[str, typer.Option(help="What it makes.", autocompletion=completion.kinds)],
    cron: Cron = "",
    every: Every = "",
    time_zone: Zone = None,
    payload: Payload = None,
    title: TaskTitle = None,
    priority: Priority = None,
    pool: Pool = "",
    labels: Labels = None,
    catch_up: CatchUp = None,
    overlap: Overlap = None,
    paused: Annotated[bool, typer.Option("--paused", help="It begins paused.")] = False,
    dry_run: DryRun = False,
    output: Output = Format.table,
) -> None:
    """Make a schedule.

    \b
    windlass schedules create nightly --cron '30 4 * * *' --time-zone Europe/Berlin \\
        --kind ExecuteScript --payload '{"script": "date"}'
    windlass schedules create poll --every 15m --kind Crawl --payload @crawl.json
    """
    if bool(cron) == bool(every):
        raise Failure(USAGE, "say when: --cron or --every, one of them")
    changes = _changes(cron, every, time_zone, payload, title, priority, pool, labels, catch_up, overlap)

    async def work(client: Client) -> None:
        from windlass_client import Schedule

        wanted = Schedule(name, kind, changes.pop("payload", {}), paused=paused, **changes)
        _tell(await client.schedules.create(wanted, dry_run=dry_run), "created", dry_run=dry_run, output=output)

    with_client(work)


def update(  # noqa: PLR0913, PLR0917 - every option is a parameter
    name: ScheduleName,
    kind: Annotated[str, typer.Option(help="What it makes.", autocompletion=completion.kinds)] = "",
    cron: Cron = "",
    every: Every = "",
    time_zone: Zone = None,
    payload: Payload = None,
    title: TaskTitle = None,
    priority: Priority = None,
    pool: Pool = "",
    labels: Labels = None,
    catch_up: CatchUp = None,
    overlap: Overlap = None,
    dry_run: DryRun = False,
    output: Output = Format.table,
) -> None:
    """Change what is named of a schedule; the rest stays.

    So does whether it is paused. Refused when somebody else has changed it meanwhile.

    \b
    windlass schedules update nightly --cron '0 5 * * *'
    """
    if cron and every:
        raise Failure(USAGE, "--cron or --every, not both")
    changes = _changes(cron, every, time_zone, payload, title, priority, pool, labels, catch_up, overlap)
    if kind:
        changes["kind"] = kind
    if not changes:
        raise Failure(USAGE, "say what to change (see --help)")

    async def work(client: Client) -> None:
        from dataclasses import replace

        changed = replace(await client.schedules.get(name), **changes)
        _tell(await client.schedules.update(changed, dry_run=dry_run), "updated", dry_run=dry_run, output=output)

    with_client(work)


def payload_text(schedule: Schedule) -> str:
    return shortened(json.dumps(schedule.payload, ensure_ascii=False))


def _changes(  # noqa: PLR0913, PLR0917 - one for every option
    cron: str,
    every: str,
    time_zone: str | None,
    payload: str | None,
    title: str | None,
    priority: int | None,
    pool: str,
    labels: list[str] | None,
    catch_up: CatchUpName | None,
    overlap: OverlapName | None,
) -> dict[str, Any]:
    """What was said, by the names of a Schedule's fields."""
    from windlass_client import CatchUp, Overlap

    timing: dict[str, Any] = {"cron": cron, "interval": None} if cron else {}
    if every:
        timing = {"cron": "", "interval": seconds_of(every, "--every")}
    said = {
        "time_zone": time_zone,
        "payload": None if payload is None else read_payload(payload),
        "title": title,
        "priority": priority,
        "pool": pool or None,
        "labels": pairs(labels, "--label") if labels else None,
        "catch_up": CatchUp(catch_up.upper()) if catch_up else None,
        "overlap": Overlap(overlap.upper()) if overlap else None,
    }
    return timing | {name: value for name, value in said.items() if value is not None}


def _tell(schedule: Schedule, done: str, *, dry_run: bool, output: Format) -> None:
    ticks = ", ".join(map(words.when, schedule.next_times)) or words.when(schedule.next_time)
    said = f"would be {done}" if dry_run else done
    timing = f" {schedule.timing_text}" if schedule.timing_text else ""
    print_done(f"schedule {schedule.name}: {said},{timing}; next ticks: {ticks}", fields(schedule), output)
