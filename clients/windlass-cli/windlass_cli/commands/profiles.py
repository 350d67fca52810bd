"""`windlass profiles`: servers with a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass_cli import completion
from windlass_cli.exits import STATE_FORBIDS, USAGE, Failure, failure_of
from windlass_cli.forms import Column, Form
from windlass_cli.options import Format, Output
from windlass_cli.printing import print_done, print_list

if TYPE_CHECKING:
    from windlass_client.profiles import Profile, Profiles

profiles = typer.Typer(help="Give servers a name, choose the one to call by default.", no_args_is_help=True)

ExistingProfile = Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.profiles)]
File = Annotated[Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, resolve_path=True)]


@profiles.command("list")
def list_profiles(output: Output = Format.table) -> None:
    """List profiles; the file they are in is named below."""
    import sys

    known = _known()
    form: Form[Profile] = Form(
        columns=(
            Column("Profile", lambda profile: profile.name),
            Column("Address", lambda profile: profile.address),
            Column("TLS", lambda profile: "yes" if profile.tls else "no"),
            Column("Token file", lambda profile: profile.token_file),
            Column("Default", lambda profile: "yes" if profile.name == known.default else ""),
        ),
        empty="There are no profiles: windlass profiles add NAME HOST:PORT",
        document=lambda profile: _document(profile, known.default),
    )
    print_list(list(known.named.values()), form, output)
    if output.for_people:
        print(f"· {known.file}", file=sys.stderr)


@profiles.command()
def add(  # noqa: PLR0913, PLR0917 - every option is a parameter
    name: Annotated[str, typer.Argument(help="Its name: letters, digits, '_' and '-'.")],
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where it listens.")],
    token_file: File = None,
    tls: Annotated[bool, typer.Option("--tls", help="It speaks TLS, with a certificate this machine trusts.")] = False,
    tls_ca: File = None,
    tls_cert: File = None,
    tls_key: File = None,
    default: Annotated[bool, typer.Option("--default", help="And call it by default from now on.")] = False,
    output: Output = Format.table,
) -> None:
    """Give a server a name.

    \b
    windlass profiles add production windlass.example:7654 --tls --token-file ~/production.token --default
    windlass --profile production doctor
    """
    from windlass_cli.profile_file import added, chosen, is_name, write

    if not is_name(name):
        raise Failure(USAGE, f"{name!r} is no name for a profile: letters, digits, '_' and '-', and not 'default'")
    known = _known()
    if name in known.named:
        raise Failure(STATE_FORBIDS, f"there is a profile {name} already: change it in {known.file}")
    files = {"token_file": token_file, "tls_ca": tls_ca, "tls_cert": tls_cert, "tls_key": tls_key}
    said: dict[str, Any] = {"address": address, **({"tls": True} if tls else {})}
    said |= {key: str(file) for key, file in files.items() if file}
    write(known.file, lambda text: chosen(added(text, name, said), name) if default else added(text, name, said))
    print_done(f"profile {name}: added to {known.file}", _document(_known().get(name), _known().default), output)


@profiles.command()
def use(name: ExistingProfile, output: Output = Format.table) -> None:
    """Call this server by default: when neither --profile nor the environment names another."""
    from windlass_cli.profile_file import chosen, write

    profile = _get(name)
    write(_known().file, lambda text: chosen(text, name))
    print_done(f"profile {name}: the default now", _document(profile, name), output)


def _known() -> Profiles:
    from windlass_client import WindlassError
    from windlass_client.profiles import read_profiles

    try:
        return read_profiles()
    except WindlassError as error:
        raise failure_of(error) from error


def _get(name: str) -> Profile:
    from windlass_client import WindlassError

    try:
        return _known().get(name)
    except WindlassError as error:
        raise failure_of(error) from error


def _document(profile: Profile, default: str) -> dict[str, Any]:
    return {
        "name": profile.name,
        "address": profile.address,
        "tls": profile.tls is not None,
        "token_file": profile.token_file,
        "is_default": profile.name == default,
    }
