"""`windlass audit`: who did what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from windlass_cli import words
from windlass_cli.forms import Column, Form
from windlass_cli.harmless import shortened
from windlass_cli.options import Filter, Format, Limit, Output
from windlass_cli.printing import page_size, print_some
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import AuditEntry, Client

audit = typer.Typer(help="See who did what, and why.", no_args_is_help=True)

ENTRIES: Form[AuditEntry] = Form(
    columns=(
        Column("Time", lambda entry: words.when(entry.time)),
        Column("Subject", lambda entry: entry.subject),
        Column("Method", lambda entry: entry.method.removeprefix("windlass.v1.")),
        Column("Resource", lambda entry: entry.resource),
        Column("Reason", lambda entry: entry.reason, gives_way=True),
        Column("Role", lambda entry: words.label(entry.role), wide=True),
        Column("Credential", lambda entry: entry.credential, wide=True),
        Column("ID", lambda entry: entry.id, wide=True, number=True),
        Column("Request", lambda entry: shortened(json.dumps(entry.request, ensure_ascii=False)), wide=True),
    ),
    empty="Nobody has done anything that is audited.",
)


@audit.command("list")
def list_entries(filter: Filter = "", limit: Limit = 50, output: Output = Format.table) -> None:
    """List privileged calls, the newest first.

    \b
    windlass audit list --filter 'subject = "ada" AND resource = "pools/default"'
    """

    async def work(client: Client) -> None:
        entries = client.access.audit(filter=filter, page_size=page_size(limit))
        await print_some(entries, limit, ENTRIES, output)

    with_client(work)
