"""`windlass` itself: the options that say which server is meant, and the first page of the help."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

ELSEWHERE = ("WINDLASS_ADDRESS", "WINDLASS_TOKEN", "WINDLASS_TOKEN_FILE")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"windlass {version('windlass-cli')}")
        raise typer.Exit


# What is said on the command line goes into the environment: there every command finds it, a stranger's too.


def _use_profile(name: str | None) -> None:
    """A profile that is named on the command line wins over what the environment says of a server."""
    if name:
        for variable in ELSEWHERE:
            os.environ.pop(variable, None)
        os.environ["WINDLASS_PROFILE"] = name


def _use_address(address: str | None) -> None:
    if address:
        os.environ["WINDLASS_ADDRESS"] = address


def _use_token_file(file: str | None) -> None:
    if file:
        os.environ["WINDLASS_TOKEN_FILE"] = file
        os.environ.pop("WINDLASS_TOKEN", None)


def _profile_names(incomplete: str) -> list[str]:
    from windlass_cli.completion import profiles

    return profiles(incomplete)


Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The server to call, by its profile.",
        callback=_use_profile,
        expose_value=False,
        is_eager=True,  # before --address and --token-file, whose words count more
        autocompletion=_profile_names,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The server to call.", callback=_use_address, expose_value=False),
]
TokenFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="The file with the token for it.", callback=_use_token_file, expose_value=False),
]
Version = Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which and leave.")]


def windlass(
    profile: Profile = None, address: Address = None, token_file: TokenFile = None, show_version: Version = False
) -> None:
    """Hand work to a Windlass server, see what it does with it, stop it.

    \b
    windlass run-script job.sh          run something, live; its outcome becomes the exit code
    windlass active                     what runs and what waits
    windlass explain 7                  why task 7 does not run
    windlass doctor                     whether all is well, and what to do if not

    A server of this machine is found by itself, with its token; --profile, or --address and --token-file, name another.
    So do WINDLASS_PROFILE, WINDLASS_ADDRESS and WINDLASS_TOKEN_FILE (or WINDLASS_TOKEN).
    """


class Lists(TyperGroup):
    """A noun whose word alone, or with options only, means its `list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
