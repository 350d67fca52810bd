"""The command `windlass plugin`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

plugin = typer.Typer(help="Write plugins.")

WRONG_COMMAND_LINE = 2


@plugin.callback()
def _group() -> None:
    """Write plugins."""


@plugin.command()
def new(
    name: Annotated[str, typer.Argument(help="What it is called, like acme-notes.")],
    directory: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Write a plugin that works, with settings and a test: a folder to change into your own."""
    from windlass.scaffold.errors import BadName, NotWritten
    from windlass.scaffold.names import names_of
    from windlass.scaffold.writing import write_plugin

    try:
        names = names_of(name)
        folder = write_plugin(names, directory)
    except (BadName, NotWritten) as error:
        print(f"error: {error.message}", file=sys.stderr)
        raise typer.Exit(WRONG_COMMAND_LINE if isinstance(error, BadName) else 1) from None
    print(f"{folder} is a plugin for tasks of the kind {names.kind}; next:")
    print(f"  cd {folder}")
    print("  python -m pytest")
    print("  python -m pip install --no-deps --no-build-isolation .")
