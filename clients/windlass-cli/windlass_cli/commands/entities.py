"""`windlass entities`: the country and ASN pages that the server keeps right."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass_cli import words
from windlass_cli.consent import ask, check_can_ask
from windlass_cli.entity_lists import Sort, form_of, lines
from windlass_cli.exits import INVALID, Failure
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Limit, Output, Reason, Wait, Yes
from windlass_cli.printing import print_done, print_list, print_some
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client

entities = typer.Typer(
    help="Pages of countries and ASNs: see them, have them checked and rebuilt.", no_args_is_help=True
)

ASN = re.compile(r"(?:AS|as)(\d{1,10})")
COUNTRY = re.compile(r"[A-Z]{2}")
PAGE = 1_000
FINDINGS: Form[dict[str, Any]] = Form(
    columns=(
        Column("Finding", lambda line: line["kind"]),
        Column("Target", lambda line: line["target"]),
        Column("Detail", lambda line: line["detail"], gives_way=True),
    ),
    empty="",
    document=dict,
)
TRANSITIONS: Form[dict[str, Any]] = Form(
    columns=(
        Column("Feed", lambda line: line["feed"]),
        Column("Before", lambda line: line["before"]),
        Column("After", lambda line: line["after"]),
        Column("When", lambda line: words.when(datetime.fromisoformat(line["at"]))),
    ),
    empty="No feed has moved from one health class to another.",
    document=dict,
)


@entities.command("findings")
def findings(
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only of this kind, such as detail_missing.")] = "",
    target: Annotated[str, typer.Option(metavar="TEXT", help="Only where the target holds this.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=PAGE, metavar="N", help="At most so many.")] = 100,
    output: Output = Format.table,
) -> None:
    """List what the last check found wrong.  It scans nothing: `windlass entities check` does."""

    async def work(client: Client) -> None:
        found = await client.operations.call("entities.findings", {"kind": kind, "target": target, "limit": limit})
        _print_findings(found, output)

    with_client(work)


@entities.command("transitions")
def transitions(output: Output = Format.table) -> None:
    """List the last feeds that went from one health class to another, the newest first."""

    async def work(client: Client) -> None:
        print_list((await client.operations.call("entities.transitions"))["transitions"], TRANSITIONS, output)

    with_client(work)


@entities.command("check")
def check(reason: Reason = "", wait: Wait = False, output: Output = Format.table) -> None:
    """Have all pages read and hashed now.  It repairs nothing.

    \b
    windlass entities check --wait && windlass entities findings
    """
    _ask("check", {}, reason, wait=wait, output=output)


@entities.command("rebuild")
def rebuild(
    country: Annotated[list[str] | None, typer.Option(metavar="CC", help="Only this country; may come again.")] = None,
    asn: Annotated[list[str] | None, typer.Option(metavar="AS123", help="Only this ASN; may come again.")] = None,
    feed: Annotated[
        list[str] | None, typer.Option(metavar="FEED", help="Only the pages that this feed is on; may come again.")
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    wait: Wait = False,
    output: Output = Format.table,
) -> None:
    """Compute pages anew: all of them, or those that are named.

    \b
    windlass entities rebuild --wait
    windlass entities rebuild --country US --country DE --asn AS13335
    """
    wanted = {
        "countries": [code.upper() for code in country or ()],
        "asns": [_number(text) for text in asn or ()],
        "feeds": list(feed or ()),
    }
    if not any(wanted.values()):
        check_can_ask("entities rebuild", yes=yes)
        ask("rebuild all pages?", yes=yes)
    _ask("rebuild", {name: named for name, named in wanted.items() if named}, reason, wait=wait, output=output)


@entities.command("repair")
def repair(reason: Reason = "", yes: Yes = False, wait: Wait = False, output: Output = Format.table) -> None:
    """Have everything repaired that is wrong now, however much it is."""
    check_can_ask("entities repair", yes=yes)
    ask("repair all pages that are wrong?", yes=yes)
    _ask("repair", {}, reason, wait=wait, output=output)


@entities.command("list")
def list_(
    sort: Annotated[Sort, typer.Argument(metavar="countries|asns|feeds", help="What to list.")],
    contains: Annotated[
        str, typer.Option(metavar="TEXT", help="Only with this in the code, the number or the name.")
    ] = "",
    limit: Limit = 100,
    output: Output = Format.table,
) -> None:
    """List the countries and ASNs that have a page, or the feeds.

    \b
    windlass entities list countries
    windlass entities list asns --contains google
    """

    async def work(client: Client) -> None:
        await print_some(lines(client, sort, contains, limit), limit, form_of(sort), output)

    with_client(work)


@entities.command("show")
def show(
    what: Annotated[str, typer.Argument(metavar="CC|AS123|FEED", help="A country, an ASN, or a feed by its name.")],
    output: Output = Format.table,
) -> None:
    """Show the page of a country or an ASN as it is published, or what is known of a feed.

    \b
    windlass entities show US
    windlass entities show AS13335 -o json      the file's own bytes
    """

    async def work(client: Client) -> None:
        from windlass_cli.entity_pages import print_page

        print_page(await client.operations.call("entities.show", _named(what)), output)

    with_client(work)


def _named(what: str) -> dict[str, Any]:
    if COUNTRY.fullmatch(what):
        return {"country": what}
    return {"asn": _number(what)} if ASN.fullmatch(what) else {"feed": what}


def _number(text: str) -> int:
    found = ASN.fullmatch(text)
    if found is None and not text.isdecimal():
        raise Failure(INVALID, f"{text!r} is no ASN: write AS13335 or 13335")
    return int(found[1] if found else text)


def _ask(operation: str, argument: dict[str, Any], reason: str, *, wait: bool, output: Format) -> None:
    async def work(client: Client) -> int:
        made = await client.operations.call(f"entities.{operation}", argument, reason=reason)
        if not wait or output.for_people:
            joined = f"joined task {made['task']}, which was there already"
            print_done(joined if made["joined"] else f"made task {made['task']}", made, output)
        return await _followed(client, made["task"], output) if wait else 0

    with_client(work)


async def _followed(client: Client, task: int, output: Format) -> int:
    """Others may wait for it as well, so Ctrl-C leaves it alone."""
    from windlass_cli.commands.show import print_card
    from windlass_cli.follow import follow
    from windlass_cli.views import SilentView, TextView

    if output.for_people:
        return await follow(client, task, TextView())
    code = await follow(client, task, SilentView())
    await print_card(client, task, output)
    return code


def _print_findings(found: dict[str, Any], output: Format) -> None:
    if not output.for_people:
        print_list(found["findings"], FINDINGS, output)
        return
    import sys

    if found["checked_at"] is None:
        print("Nobody has checked yet. windlass entities check does.", file=sys.stderr)
        return
    when = words.when(datetime.fromisoformat(found["checked_at"]))
    said = f"{words.counted(found['total'], 'finding')} in generation {found['generation']}, checked {when}"
    if found["findings"]:
        print_list(found["findings"], FINDINGS, output)
    print(said, file=sys.stderr)
    if found["deferred"]:
        print(f"{found['deferred']} are too many to be repaired unasked: windlass entities repair", file=sys.stderr)
    if found["next"] is not None:
        print("… and more; --limit, --kind and --target show them", file=sys.stderr)
