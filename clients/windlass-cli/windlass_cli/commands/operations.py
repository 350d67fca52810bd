"""`windlass operations`: what plugins add, typed by their schemas."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from windlass_cli import completion
from windlass_cli.consent import ask
from windlass_cli.exits import NOT_FOUND, USAGE, Failure
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Output, Reason, Yes, pairs, read_payload
from windlass_cli.printing import print_list, print_one
from windlass_cli.schemas import argument_of, columns_of, fields_of
from windlass_cli.session import ask_server, with_client

if TYPE_CHECKING:
    from windlass_client import Client, Operation

operations = typer.Typer(help="See and call what plugins add to the server.", no_args_is_help=True)

OperationName = Annotated[
    str, typer.Argument(metavar="NAME", help="As the list calls it.", autocompletion=completion.operations)
]
COLUMNS: tuple[Column[Operation], ...] = (
    Column("Operation", lambda operation: operation.name),
    Column("Title", lambda operation: operation.title, gives_way=True),
    Column("Writes", lambda operation: ("yes", "yellow") if operation.writes else "no"),
    Column("Role", lambda operation: operation.role),
    Column("Description", lambda operation: operation.description, wide=True, gives_way=True),
)
OPERATIONS: Form[Operation] = Form(columns=COLUMNS, empty="No plugin of this server brings an operation.")


class WithFields(TyperCommand):
    """Its help ends with the fields of the operation that is named, as the server's schema has them."""

    named = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        self.named = next((word for word in args if not word.startswith("-")), "")
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)
        for operation in completion.now(_list):
            if operation.name == self.named:
                with formatter.section(f"Fields of {operation.name}"):
                    rows = [(f"--field {each.name}=…", each.summary) for each in fields_of(operation.argument_schema)]
                    formatter.write_dl(rows or [("none", "it takes no argument")])


@operations.command("list")
def list_operations(output: Output = Format.table) -> None:
    """List what can be called, and what role that takes."""

    async def work(client: Client) -> None:
        print_list(await client.operations.list(), OPERATIONS, output)

    with_client(work)


@operations.command("show")
def show_operation(name: OperationName, output: Output = Format.table) -> None:
    """Show one operation, with the fields of its argument."""
    operation = ask_server(lambda client: _found(client, name))
    arguments = columns_of(operation.argument_schema, "--field ")
    print_one(operation, Form(columns=(*COLUMNS, *arguments), empty=""), output)


@operations.command("call", cls=WithFields)
def call(
    name: OperationName,
    argument: Annotated[str, typer.Option(metavar="JSON|@FILE|-", help="The whole argument at once.")] = "",
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", "-f", metavar="NAME=VALUE", help="One field of it; may come several times."),
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    output: Output = Format.table,
) -> None:
    """Call an operation.  One that writes asks first.

    \b
    windlass operations call findings.list --field severity=high
    windlass operations call findings.rebuild --argument '{"feed": "nvd"}' --yes
    windlass operations call findings.rebuild --help      its fields
    """
    if argument and fields:
        raise Failure(USAGE, "--argument or --field, not both")
    operation = ask_server(lambda client: _found(client, name))
    whole = read_payload(argument, "the argument") if argument else None
    said = argument_of(operation.argument_schema, pairs(fields, "--field")) if whole is None else whole
    if operation.writes:
        ask(f"{operation.name} changes something ({operation.title}): call it?", yes=yes)

    async def work(client: Client) -> None:
        from windlass_cli.results import print_result

        print_result(await client.operations.call(name, said, reason=reason), output)

    with_client(work)


async def _list(client: Client) -> Sequence[Operation]:
    return await client.operations.list()


async def _found(client: Client, name: str) -> Operation:
    known = {each.name: each for each in await client.operations.list()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see windlass operations list"
        raise Failure(NOT_FOUND, f"there is no operation {name}; {hint}")
    return known[name]
