"""The command line, put together from entry points of the group `windlass.commands`.

An entry point is a plain function, which becomes the command of that name, or a typer.Typer, which becomes a group of
commands.  Ours come in the same way as a stranger's.  One that cannot be loaded is told in a line and left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

from windlass_cli.exits import Failure, help_text
from windlass_cli.harmless import one_line

GROUP = "windlass.commands"
ORDER = ("run-script", "enqueue", "active", "history", "show", "watch", "interrupt", "serve", "demo")
"""In the help, daily commands come first; strangers follow by name."""


def assemble(arguments: list[str]) -> typer.Typer:
    """The application.  Only the command that is asked for is loaded: the others would cost its start-up."""
    app = typer.Typer(
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
        epilog=help_text(),
    )
    app.callback()(windlass)
    found = _by_name(entry_points(group=GROUP))
    wanted = _wanted(arguments, found)
    for name in wanted:
        _add(app, name, found[name], asked_for=len(wanted) == 1)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        print(f"windlass {version('windlass-cli')}")
        raise typer.Exit


def windlass(
    address: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The server to call.")] = None,
    token_file: Annotated[str | None, typer.Option(metavar="FILE", help="The file with the token for it.")] = None,
    show_version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version)] = False,
) -> None:
    """Hand work to a Windlass server, see what it does with it, stop it.

    A server of this machine is found by itself, with its token; --address and --token-file, or WINDLASS_ADDRESS and
    WINDLASS_TOKEN_FILE (or WINDLASS_TOKEN), name another.
    """
    # In the environment every command finds them where it looks anyway, a stranger's too.
    if address:
        os.environ["WINDLASS_ADDRESS"] = address
    if token_file:
        os.environ["WINDLASS_TOKEN_FILE"] = token_file
        os.environ.pop("WINDLASS_TOKEN", None)


def _by_name(found: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    """In the order of the help; of two with the same name the first one counts, and the other is told."""
    commands: dict[str, EntryPoint] = {}
    for each in sorted(found, key=lambda each: each.name):
        if each.name in commands and commands[each.name].value != each.value:
            _tell(f"two commands are called {each.name}: {commands[each.name].value} is taken, {each.value} is not")
        commands.setdefault(each.name, each)
    order = [*(name for name in ORDER if name in commands), *(name for name in commands if name not in ORDER)]
    return {name: commands[name] for name in order}


def _wanted(arguments: list[str], found: dict[str, EntryPoint]) -> list[str]:
    """The one that is named, or all of them for the help, for completion and for a word nobody knows."""
    if "_WINDLASS_COMPLETE" not in os.environ:
        for word in arguments:
            if word in found:
                return [word]
            if word in ("-h", "--help"):
                break
    return list(found)


def _add(app: typer.Typer, name: str, entry_point: EntryPoint, *, asked_for: bool) -> None:
    try:
        command: Any = entry_point.load()
    except Exception as error:  # whatever a stranger's module raises must not take the others down
        problem = f"the command {name} cannot be loaded from {entry_point.value}: {type(error).__name__}: {error}"
        if asked_for:
            raise Failure(1, problem) from error
        _tell(problem)
        return
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)


def _tell(problem: str) -> None:
    print(f"warning: {one_line(problem)}", file=sys.stderr)
