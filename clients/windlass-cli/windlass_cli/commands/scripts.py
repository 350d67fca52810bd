"""`windlass scripts`: the library of scripts that the server keeps by name."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass_cli import completion, words
from windlass_cli.commands.run_script import KIND, interpreter_of
from windlass_cli.consent import ask, check_can_ask
from windlass_cli.exits import INVALID, Failure
from windlass_cli.forms import Column, Form
from windlass_cli.options import (
    Detach,
    Format,
    Output,
    Pool,
    Priority,
    Reason,
    Retries,
    RetryPause,
    Title,
    Yes,
    pairs,
    read_payload,
    read_text,
)
from windlass_cli.printing import print_done, print_list
from windlass_cli.results import print_result
from windlass_cli.session import with_client

if TYPE_CHECKING:
    from windlass_client import Client
    from windlass_client.resources import TaskOptions

scripts = typer.Typer(help="Keep scripts by name, with versions and parameters, and run them.", no_args_is_help=True)

Script = Annotated[
    str, typer.Argument(metavar="SCRIPT", help="Its name; name@3 means version 3.", autocompletion=completion.scripts)
]
Name = Annotated[
    str, typer.Argument(metavar="SCRIPT", help="The name of the script.", autocompletion=completion.scripts)
]
Expected = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Refuse unless this is the newest version; 0: it must be new.")
]
SCRIPTS: Form[dict[str, Any]] = Form(
    columns=(
        Column("Script", lambda line: line["name"]),
        Column("Version", lambda line: line["version"], number=True),
        Column("Interpreter", lambda line: line["interpreter"]),
        Column("Parameters", lambda line: line["parameters"], gives_way=True),
        Column("Description", lambda line: line["description"], gives_way=True),
        Column("Saved", lambda line: words.when(datetime.fromisoformat(line["stored_at"]))),
        Column("By", lambda line: line["by"]),
    ),
    empty="There are no scripts. windlass scripts save FILE keeps one.",
    document=dict,
)


@scripts.command("list")
def list_scripts(
    prefix: Annotated[str, typer.Option(help="Only names that begin so.")] = "", output: Output = Format.table
) -> None:
    """List scripts: the newest version of each, with its parameters (* is required)."""

    async def work(client: Client) -> None:
        lines: list[dict[str, Any]] = []
        while page := await client.operations.call("scripts.list", _page(prefix, lines)):
            lines += page
        print_list(lines, SCRIPTS, output)

    with_client(work)


@scripts.command("versions")
def list_versions(name: Name, output: Output = Format.table) -> None:
    """List the versions of a script that are kept, the newest first."""

    async def work(client: Client) -> None:
        print_list(await client.operations.call("scripts.versions", {"name": name}), SCRIPTS, output)

    with_client(work)


@scripts.command("show")
def show_script(script: Script, output: Output = Format.table) -> None:
    """Show a script whole: its parameters, its limits, its text."""
    name, at, version = script.partition("@")
    if at and not version.isdecimal():
        raise Failure(INVALID, f"a version is a number, as in {name}@3")
    which = {"name": name, "version": int(version)} if at else {"name": name}

    async def work(client: Client) -> None:
        print_result(await client.operations.call("scripts.show", which), output)

    with_client(work)


@scripts.command("save")
def save(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The script; - reads it from standard input.")],
    name: Annotated[str, typer.Option(help="What it is called; default: the file's name without its suffix.")] = "",
    interpreter: Annotated[
        str, typer.Option(metavar="NAME", help="What reads it; default: its first line, its suffix, or sh.")
    ] = "",
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it does.")] = "",
    more: Annotated[
        str,
        typer.Option(metavar="JSON|@FILE", help="Its parameters, secrets, timeout and exit_codes, as one JSON object."),
    ] = "{}",
    expected: Expected = None,
    reason: Reason = "",
    output: Output = Format.table,
) -> None:
    """Keep a script by name; each time a new version.

    \b
    windlass scripts save cleanup.sh --description "Removes what is old" \\
        --more '{"parameters": [{"name": "days", "type": "integer", "default": 7}]}'
    """
    text, fields = read_text(file), read_payload(more, "--more")
    if not isinstance(fields, dict):
        raise Failure(INVALID, '--more takes a JSON object, such as {"timeout": 60}')
    called = name or PurePath(file).stem
    script = {"name": called, "text": text, "interpreter": interpreter or interpreter_of(text, file), **fields}
    script |= {"description": description} if description else {}
    script |= {} if expected is None else {"expected": expected}

    async def work(client: Client) -> None:
        saved = await client.operations.call("scripts.save", script, reason=reason)
        print_done(f"script {saved['name']}: saved as version {saved['version']}", saved, output)

    with_client(work)


@scripts.command("delete")
def delete(
    name: Name, expected: Expected = None, reason: Reason = "", yes: Yes = False, output: Output = Format.table
) -> None:
    """Remove a script with all its versions."""
    check_can_ask("scripts delete", yes=yes)
    ask(f"delete script {name} with all its versions?", yes=yes)
    doomed = {"name": name} if expected is None else {"name": name, "expected": expected}

    async def work(client: Client) -> None:
        deleted = await client.operations.call("scripts.delete", doomed, reason=reason)
        print_done(f"script {name}: deleted", deleted, output)

    with_client(work)


@scripts.command("run")
def run(  # noqa: PLR0913, PLR0917 - every option is a parameter
    script: Script,
    parameters: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]", help="Its parameters.")] = None,
    title: Title = "",
    priority: Priority = None,
    timeout: Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Ends each attempt.")] = None,
    pool: Pool = "",
    retries: Retries = None,
    retry_pause: RetryPause = None,
    detach: Detach = False,
    output: Output = Format.table,
) -> None:
    """Run a script of the library and follow it, live; its outcome becomes the exit code.

    \b
    windlass scripts run cleanup days=30
    windlass scripts run cleanup@3 days=30 --detach
    """
    payload: dict[str, Any] = {"library": script, "parameters": pairs(parameters, "a parameter")}
    if timeout is not None:
        payload["timeout"] = timeout
    options: TaskOptions = {
        "title": title,
        "priority": priority,
        "pool": pool,
        "retry_attempts": retries,
        "retry_pause": retry_pause,
    }

    async def work(client: Client) -> int:
        from windlass_cli.commands.enqueue import tell_and_follow

        handle = await client.enqueue(KIND, payload, **options)
        return await tell_and_follow(client, handle, wait=not detach, output=output)

    with_client(work)


def _page(prefix: str, before: list[dict[str, Any]]) -> dict[str, Any]:
    return {"prefix": prefix, "after": before[-1]["name"] if before else ""}
