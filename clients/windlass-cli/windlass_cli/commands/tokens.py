"""`windlass tokens`: who may call the server."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from windlass_cli import completion, words
from windlass_cli.consent import ask, check_can_ask
from windlass_cli.durations import seconds_of
from windlass_cli.forms import Column, Form, fields
from windlass_cli.options import Format, Limit, Output, Reason, Yes
from windlass_cli.printing import page_size, print_done, print_some
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client, Token

tokens = typer.Typer(help="Give access to the server, see who has it, take it away.", no_args_is_help=True)


class RoleName(StrEnum):
    viewer = "viewer"
    submitter = "submitter"
    operator = "operator"
    admin = "admin"
    agent = "agent"


class OriginName(StrEnum):
    user = "user"
    system = "system"


TOKENS: Form[Token] = Form(
    columns=(
        Column("Token", lambda token: token.name),
        Column("Subject", lambda token: token.subject),
        Column("Role", lambda token: words.label(token.role)),
        Column("Origin", lambda token: words.label(token.origin)),
        Column("Pools", lambda token: ", ".join(token.pools) or "all"),
        Column("Last use", lambda token: words.when(token.last_use_time)),
        Column("Expires", lambda token: words.when(token.expire_time) if token.expire_time else "never"),
        Column("Revoked", lambda token: words.when(token.revoke_time) if token.revoke_time else ""),
        Column("Created", lambda token: words.when(token.create_time), wide=True),
        Column("By", lambda token: token.created_by, wide=True),
    ),
    empty="No tokens have been made: only the server's own token file lets anyone in.",
)


@tokens.command()
def create(
    subject: Annotated[str, typer.Argument(help="Who it stands for: the initiator of what is done with it.")],
    role: Annotated[RoleName, typer.Option(help="What its holder may do; each may do what those before it may.")],
    origin: Annotated[OriginName, typer.Option(help="Whether its holder is a person.")] = OriginName.system,
    pools: Annotated[
        list[str] | None,
        typer.Option(
            "--pool", help="Good for this pool only; may come several times.", autocompletion=completion.pools
        ),
    ] = None,
    ttl: Annotated[str, typer.Option(metavar="TIME", help="For how long, such as 90d or 12h; else for ever.")] = "",
    output: Output = Format.table,
) -> None:
    """Make a token and print its secret: now, and never again.

    \b
    windlass tokens create billing --role submitter --pool invoices --ttl 90d > billing.token
    windlass tokens create ada --role operator --origin user
    """
    lasts = seconds_of(ttl, "--ttl") if ttl else None

    async def work(client: Client) -> None:
        from windlass_client import Origin, Role

        from windlass_cli.documents import print_document

        made = await client.access.create_token(
            subject, Role(role.upper()), origin=Origin(origin.upper()), pools=pools or (), ttl=lasts
        )
        if not output.for_people:
            print_document(fields(made), output)
            return
        until = f"until {words.when(made.token.expire_time)}" if made.token.expire_time else "for ever"
        print(f"· token {made.token.name} of {made.token.subject}, {role}, {until}; its secret:", file=sys.stderr)
        print(made.secret)

    with_client(work)


@tokens.command("list")
def list_tokens(
    all: Annotated[bool, typer.Option("--all", "-a", help="Also those that have expired or were revoked.")] = False,
    limit: Limit = 100,
    output: Output = Format.table,
) -> None:
    """List tokens, the newest first, without their secrets."""

    async def work(client: Client) -> None:
        found = client.access.tokens(show_ended=all, page_size=page_size(limit))
        await print_some(found, limit, TOKENS, output)

    with_client(work)


@tokens.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="TOKEN", help="The token, as the list calls it.")],
    reason: Reason = "",
    yes: Yes = False,
    output: Output = Format.table,
) -> None:
    """Make a token worthless, on every server within 30 s."""
    check_can_ask("tokens revoke", yes=yes)
    ask(f"revoke token {name} for good?", yes=yes)

    async def work(client: Client) -> None:
        token = await client.access.revoke(name, reason)
        print_done(f"token {token.name} of {token.subject}: revoked", fields(token), output)

    with_client(work)
