from __future__ import annotations

from typing import TYPE_CHECKING

from windlass_cli import words
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Output
from windlass_cli.printing import print_one
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client, Identity

IDENTITY: Form[Identity] = Form(
    columns=(
        Column("Subject", lambda who: who.subject),
        Column("Role", lambda who: words.label(who.role)),
        Column("Origin", lambda who: words.label(who.origin)),
        Column("Pools", lambda who: ", ".join(who.pools) or "all"),
        Column("Let in by", lambda who: who.credential),
    ),
    empty="",
)


def whoami(output: Output = Format.table) -> None:
    """Say who you are to the server, and what you may do."""

    async def work(client: Client) -> None:
        print_one(await client.access.whoami(), IDENTITY, output)

    with_client(work)
