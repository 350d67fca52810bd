"""`windlass schedules`: work that is made by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from windlass_cli import words
from windlass_cli.commands import scheduling
from windlass_cli.consent import ask, check_can_ask
from windlass_cli.forms import Column, Form, fields
from windlass_cli.options import Format, Limit, Output, Reason, ScheduleName, Wait, Yes
from windlass_cli.printing import page_size, print_done, print_one, print_some, take
from windlass_cli.session import with_client
from windlass_cli.work import labels, state

if TYPE_CHECKING:
    from windlass_client import Client, Schedule, Tick

schedules = typer.Typer(help="Make work by the clock, change it, pause it, run it now.", no_args_is_help=True)

COLUMNS: tuple[Column[Schedule], ...] = (
    Column("Schedule", lambda schedule: schedule.name),
    Column("When", lambda schedule: schedule.timing_text, gives_way=True),
    Column("Type", lambda schedule: schedule.kind),
    Column("Next", lambda schedule: words.when(schedule.next_time)),
    Column("State", lambda schedule: state("PAUSED" if schedule.paused else "ACTIVE")),
    Column("Last tick", lambda schedule: state(schedule.last_tick.outcome) if schedule.last_tick else ""),
    Column("Last task", lambda schedule: schedule.last_task or "", number=True),
    Column("Owner", lambda schedule: schedule.owner, wide=True),
    Column("Pool", lambda schedule: schedule.pool, wide=True),
    Column("Catch-up", lambda schedule: words.label(schedule.catch_up), wide=True),
    Column("Overlap", lambda schedule: words.label(schedule.overlap), wide=True),
    Column("Revision", lambda schedule: schedule.revision, wide=True, number=True),
)
SCHEDULES: Form[Schedule] = Form(columns=COLUMNS, empty="There are no schedules.")
SCHEDULE: Form[Schedule] = Form(
    columns=(
        *COLUMNS,
        Column("Next ticks", lambda schedule: ", ".join(map(words.when, schedule.next_times))),
        Column("Title", lambda schedule: schedule.title),
        Column("Priority", lambda schedule: "" if schedule.priority is None else schedule.priority),
        Column("Labels", lambda schedule: labels(schedule.labels)),
        Column("Payload", scheduling.payload_text),
    ),
    empty="",
)
TICKS: Form[Tick] = Form(
    columns=(
        Column("Due", lambda tick: words.when(tick.due_time)),
        Column("Outcome", lambda tick: state(tick.outcome)),
        Column("Task", lambda tick: tick.task or "", number=True),
        Column("Reason", lambda tick: tick.reason, gives_way=True),
        Column("Decided", lambda tick: words.when(tick.decide_time), wide=True),
    ),
    empty="It has not ticked yet.",
)

schedules.command("create")(scheduling.create)
schedules.command("update")(scheduling.update)


@schedules.command("list")
def list_schedules(limit: Limit = 100, output: Output = Format.table) -> None:
    """List schedules: when, what, whether they are paused, and what became of the last tick."""

    async def work(client: Client) -> None:
        found = client.schedules.list(page_size=page_size(limit))
        await print_some(found, limit, SCHEDULES, output)

    with_client(work)


@schedules.command("show")
def show_schedule(name: ScheduleName, output: Output = Format.table) -> None:
    """Show one schedule, with its next ticks."""

    async def work(client: Client) -> None:
        print_one(await client.schedules.get(name), SCHEDULE, output)

    with_client(work)


@schedules.command()
def delete(name: ScheduleName, yes: Yes = False, output: Output = Format.table) -> None:
    """Remove a schedule; its ledger stays.  A plugin's can only be paused."""
    check_can_ask("schedules delete", yes=yes)
    ask(f"delete schedule {name}?", yes=yes)

    async def work(client: Client) -> None:
        await client.schedules.delete(name)
        print_done(f"schedule {name}: deleted", {"name": name, "deleted": True}, output)

    with_client(work)


@schedules.command()
def pause(name: ScheduleName, reason: Reason = "", output: Output = Format.table) -> None:
    """Skip every tick from now on."""

    async def work(client: Client) -> None:
        schedule = await client.schedules.pause(name, reason)
        print_done(f"schedule {schedule.name}: paused", fields(schedule), output)

    with_client(work)


@schedules.command()
def resume(name: ScheduleName, reason: Reason = "", output: Output = Format.table) -> None:
    """Go on with the next tick."""

    async def work(client: Client) -> None:
        schedule = await client.schedules.resume(name, reason)
        print_done(f"schedule {schedule.name}: active, next {words.when(schedule.next_time)}", fields(schedule), output)

    with_client(work)


@schedules.command()
def run(name: ScheduleName, wait: Wait = False, output: Output = Format.table) -> None:
    """Make its task at once, and print its id.

    Paused or not, and whatever still runs of it.

    \b
    windlass schedules run nightly --wait
    """

    async def work(client: Client) -> int:
        from windlass_client import Handle

        from windlass_cli.commands.enqueue import tell_and_follow

        handle = Handle(client, await client.schedules.run(name))
        return await tell_and_follow(client, handle, wait=wait, output=output)

    with_client(work)


@schedules.command()
def ticks(name: ScheduleName, limit: Limit = 50, output: Output = Format.table) -> None:
    """List what became of its ticks, the newest first.

    Every tick has exactly one line: it ran, was skipped, or was caught up, and why.
    """

    async def work(client: Client) -> None:
        if not await take(client.schedules.ticks(name, page_size=1), 1):
            await client.schedules.get(name)  # what was deleted has a ledger still; what never was is no empty list
        found = client.schedules.ticks(name, page_size=page_size(limit))
        await print_some(found, limit, TICKS, output)

    with_client(work)
