"""`windlass buffer`: sites' transactions on their way from Redis into the main databases, and what is stuck."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass_cli import words
from windlass_cli.consent import ask, check_can_ask
from windlass_cli.durations import seconds_of
from windlass_cli.exits import NOT_FOUND, USAGE, Failure
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Limit, Output, Reason, Yes
from windlass_cli.printing import print_done, print_list
from windlass_cli.results import print_result
from windlass_cli.session import ask_server, with_client

if TYPE_CHECKING:
    from windlass_client import Client

buffer = typer.Typer(help="See and mend what waits between Redis and the main databases.", no_args_is_help=True)

PAGE = 100
OldSite = Annotated[str, typer.Argument(metavar="[SITE]", help="Only this one.")]
Site = Annotated[str, typer.Option(metavar="SITE", help="Only of this one; without it, of every site.")]
Endpoint = Annotated[str, typer.Option(help="Only those from there, exactly.")]
Key = Annotated[str, typer.Option(help="Only those with this ordering key, exactly.")]
Error = Annotated[str, typer.Option(metavar="TEXT", help="Only those with this in their error.")]
OlderThan = Annotated[str, typer.Option(metavar="TIME", help="Dead for so long at least, such as 30s, 5m or 2d.")]
YoungerThan = Annotated[str, typer.Option(metavar="TIME", help="Dead for so long at most.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Dead letters, by their ids.")]
All = Annotated[bool, typer.Option("--all", help="All dead letters there are.")]


def which_are_lost(gap: dict[str, Any]) -> str:
    """In words."""
    if gap["cause"] == "redis":
        return f"numbers {gap['first']} to {gap['last']} of epoch {gap['epoch']}"
    return f"from {gap['position']} of timeline {gap['timeline']} on: {', '.join(gap['ids'])}"


ALARMING = ("redis away", "stopped", "database away")
SITES: Form[dict[str, Any]] = Form(
    columns=(
        Column("Site", lambda site: site["site"]),
        Column("Status", lambda site: (site["status"], "bold red" if site["status"] in ALARMING else "green")),
        Column("Buffered", lambda site: f"{site['buffer_size']} of {site['buffer_limit']}", number=True),
        Column("Oldest", lambda site: words.span(site["oldest_age"]), number=True),
        Column("Failed", lambda site: _red(site["failed_transactions"]), number=True),
        Column("Processed", lambda site: site["transactions_processed"], number=True),
        Column("Per second", lambda site: _rate(site["drain_rate"]), number=True),
        Column("Replica lag", lambda site: words.span(site["replica_lag"]), number=True),
        Column("Lost", lambda site: _red(site["lost"]), number=True),
        Column("Last run", lambda site: words.ago(_time(site["last_run"]))),
        Column("Pending checks", lambda site: site["pending_checks"], wide=True, number=True),
        Column("Drainer", lambda site: site["drainer"], wide=True),
        Column("Why", lambda site: site["redis"] or site["database"], gives_way=True),
    ),
    empty="No site is configured: add a [[plugins.buffer.site]] to windlass.toml, see docs/buffer.md.",
    document=dict,
)
LETTERS: Form[dict[str, Any]] = Form(
    columns=(
        Column("Id", lambda letter: letter["id"]),
        Column("Site", lambda letter: letter["site"]),
        Column("Endpoint", lambda letter: letter["endpoint"]),
        Column("Key", lambda letter: letter["key"]),
        Column("Attempts", lambda letter: letter["attempts"], number=True),
        Column("Died", lambda letter: words.when(_time(letter["died"]))),
        Column("Error", lambda letter: letter["error"], gives_way=True),
    ),
    empty="There are no dead letters.",
    document=dict,
)
GAPS: Form[dict[str, Any]] = Form(
    columns=(
        Column("Site", lambda gap: gap["site"]),
        Column("Lost", lambda gap: (str(gap["count"]), "bold red"), number=True),
        Column("With", lambda gap: gap["cause"]),
        Column("Noticed", lambda gap: words.when(_time(gap["noticed"]))),
        Column("Which", which_are_lost, gives_way=True),
    ),
    empty="There are no gaps: nothing that was acknowledged is missing.",
    document=dict,
)


@buffer.command("status")
def status(site: OldSite = "", output: Output = Format.table) -> None:
    """How the sites are: what waits, what was done, what failed, how far behind the replicas are."""

    async def work(client: Client) -> None:
        print_list(await _call(client, "buffer.status", {"site": site}), SITES, output)

    with_client(work)


@buffer.command("dead")
def dead(
    site: Site = "",
    endpoint: Endpoint = "",
    key: Key = "",
    error: Error = "",
    older_than: OlderThan = "",
    younger_than: YoungerThan = "",
    limit: Limit = 100,
    output: Output = Format.table,
) -> None:
    """List the dead letters: entries that were tried as often as allowed, or could not be read. The newest first."""
    matching = _matching(site, endpoint, key, error, older_than, younger_than)

    async def work(client: Client) -> None:
        letters: list[dict[str, Any]] = []
        while not limit or len(letters) <= limit:
            asked = matching | {"after": _place(letters), "limit": PAGE}
            page = await _call(client, "buffer.dead", asked)
            letters += page
            if len(page) < PAGE:
                break
        print_list(letters[:limit] if limit else letters, LETTERS, output)
        if limit and len(letters) > limit:
            typer.echo("… and more; --limit shows them", err=True)

    with_client(work)


@buffer.command("show")
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a dead letter, or of any transaction.")],
    site: Site = "",
    output: Output = Format.table,
) -> None:
    """Show a transaction whole: how far it is, its error, its statements."""

    async def work(client: Client) -> None:
        print_result(await _call(client, "buffer.show", {"id": id, "site": site}), output)

    with_client(work)


@buffer.command("requeue")
def requeue(  # noqa: PLR0913, PLR0917 - every option is a parameter
    ids: Ids = None,
    everything: All = False,
    site: Site = "",
    endpoint: Endpoint = "",
    key: Key = "",
    error: Error = "",
    older_than: OlderThan = "",
    younger_than: YoungerThan = "",
    reason: Reason = "",
    yes: Yes = False,
    output: Output = Format.table,
) -> None:
    """Have dead letters tried again, as if for the first time: in their order, before all that waits.

    \b
    windlass buffer requeue 01938c1e-77a2-7c1b-9d0e-0a4a2f6f0d11
    windlass buffer requeue --endpoint orders --older-than 1h
    windlass buffer requeue --all --yes
    """
    chosen = _chosen(ids, everything, _matching(site, endpoint, key, error, older_than, younger_than))
    _do("requeue", "requeued", chosen, reason, yes=yes, output=output)


@buffer.command("drop")
def drop(  # noqa: PLR0913, PLR0917 - every option is a parameter
    ids: Ids = None,
    everything: All = False,
    site: Site = "",
    endpoint: Endpoint = "",
    key: Key = "",
    error: Error = "",
    older_than: OlderThan = "",
    younger_than: YoungerThan = "",
    reason: Reason = "",
    yes: Yes = False,
    output: Output = Format.table,
) -> None:
    """Throw dead letters away. What they were to write is gone then: look at them first (show -o json keeps them)."""
    chosen = _chosen(ids, everything, _matching(site, endpoint, key, error, older_than, younger_than))
    _do("drop", "dropped", chosen, reason, yes=yes, output=output)


@buffer.command("gaps")
def gaps(site: Site = "", output: Output = Format.table) -> None:
    """List what was lost: acknowledged by Redis and gone with it, or committed and left behind by a failover."""

    async def work(client: Client) -> None:
        print_list(await _call(client, "buffer.gaps", {"site": site}), GAPS, output)

    with_client(work)


@buffer.command("forget-gaps")
def forget_gaps(site: Site = "", reason: Reason = "", yes: Yes = False, output: Output = Format.table) -> None:
    """Have the reported gaps no longer shown, once somebody has dealt with them."""
    check_can_ask("buffer forget-gaps", yes=yes)
    found = ask_server(lambda client: _call(client, "buffer.gaps", {"site": site}))
    ask(f"forget {words.counted(len(found), 'reported gap')}?", yes=yes)

    async def work(client: Client) -> None:
        forgotten = await _call(client, "buffer.forget-gaps", {"site": site}, reason=reason)
        print_done(f"{words.counted(forgotten['forgotten'], 'gap')}: forgotten", forgotten, output)

    with_client(work)


def _do(verb: str, done: str, chosen: dict[str, Any], reason: str, *, yes: bool, output: Format) -> None:
    """Says how many first, and asks."""
    check_can_ask(f"buffer {verb}", yes=yes)
    if not yes:
        counted = ask_server(lambda client: _call(client, "buffer.count", chosen))
        which = ", ".join(f"{each['count']} of {each['site']}" for each in counted if each["count"]) or "none"
        ask(f"{verb} {words.counted(sum(each['count'] for each in counted), 'dead letter')} ({which})?", yes=yes)

    async def work(client: Client) -> None:
        answer = await _call(client, f"buffer.{verb}", chosen, reason=reason)
        print_done(_told(done, answer), answer, output)

    with_client(work)


def _told(done: str, answer: dict[str, Any]) -> str:
    told = f"{words.counted(answer[done], 'dead letter')}: {done}"
    if answer.get("unreadable"):
        told += f"; {answer['unreadable']} are no entries, and cannot be tried again: look at them, then drop them"
    if answer["remaining"]:
        told += f"; {answer['remaining']} more match: call it again"
    return told


def _chosen(ids: list[str] | None, everything: bool, matching: dict[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in matching.items() if name != "site"}
    if sum((bool(ids), everything, bool(named))) != 1:
        how = "ids, --all, or some of --endpoint, --key, --error, --older-than and --younger-than"
        raise Failure(USAGE, f"say which dead letters: {how}; only one of the three")
    return matching | ({"ids": ids} if ids else {}) | ({"all": True} if everything else {})


async def _call(client: Client, operation: str, argument: dict[str, Any], reason: str = "") -> Any:
    """Failure when the server has no site: it has none of the operations then."""
    from windlass_client import WindlassError

    try:
        return await client.operations.call(operation, argument, reason=reason)
    except WindlassError as error:
        if error.code != "NOT_FOUND":
            raise
        how = "add a [[plugins.buffer.site]] to its windlass.toml (docs/buffer.md)"
        raise Failure(NOT_FOUND, f"this server drains no site: {how}") from None


def _matching(site: str, endpoint: str, key: str, error: str, older_than: str, younger_than: str) -> dict[str, Any]:
    texts = {"site": site, "endpoint": endpoint, "key": key, "error": error}
    spans = {"older_than": (older_than, "--older-than"), "younger_than": (younger_than, "--younger-than")}
    said: dict[str, Any] = {name: text for name, text in texts.items() if text}
    return said | {name: seconds_of(text, option) for name, (text, option) in spans.items() if text}


def _place(letters: list[dict[str, Any]]) -> str:
    return f"{letters[-1]['site']}/{letters[-1]['id']}" if letters else ""


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _red(count: int) -> Any:
    return (str(count), "bold red") if count else "0"


def _rate(rate: float | None) -> str:
    return words.DASH if rate is None else f"{rate:.0f}"
