"""Servers that a person has given a name, in ~/.config/windlass/profiles.toml:

    default = "production"

    [production]
    address = "windlass.example:7654"
    token_file = "production.token"
    tls_ca = "production-ca.pem"

A profile has an address, and may have a `token_file`, `tls = true`, `tls_ca`, `tls_cert` and `tls_key`.  Paths begin at
the folder of the file.  $XDG_CONFIG_HOME is taken for ~/.config where it is set.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windlass_client.errors import InvalidArgument
from windlass_client.tls import Tls, tls_of

PATHS = ("token_file", "tls_ca", "tls_cert", "tls_key")


@dataclass(frozen=True, slots=True)
class Profile:
    """A server with a name; `token_file` is empty when the file names none."""

    name: str
    address: str
    token_file: str = ""
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Profiles:
    """What the file says; `default` is empty when none is chosen."""

    file: Path
    default: str
    named: Mapping[str, Profile]

    def get(self, name: str) -> Profile:
        """InvalidArgument when there is none of that name."""
        if found := self.named.get(name):
            return found
        known = f"there are {', '.join(sorted(self.named))}" if self.named else "there is none yet"
        raise InvalidArgument(f'no profile "{name}" in {self.file}: {known}', reason="PROFILE_NOT_FOUND")


def read_profiles(environ: Mapping[str, str] = os.environ) -> Profiles:
    """An absent file is an empty one; InvalidArgument, with the place, when it cannot be understood."""
    folder = Path(environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    file = folder / "windlass" / "profiles.toml"
    try:
        said = tomllib.loads(file.read_text())
    except FileNotFoundError:
        said = {}
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgument(f"cannot read {file}: {words}", reason="PROFILES_INVALID") from error
    default = said.pop("default", "")
    if not isinstance(default, str):
        raise _wrong(file, "default is the name of a profile, in quotes")
    return Profiles(file, default, {name: _profile(file, name, table) for name, table in said.items()})


def _profile(file: Path, name: str, table: Any) -> Profile:
    if not isinstance(table, dict):
        raise _wrong(file, f"{name} belongs into a [profile]")
    if unknown := sorted(set(table) - {"address", "tls", *PATHS}):
        raise _wrong(file, f"[{name}] has no {unknown[0]}: it takes address, tls, {', '.join(PATHS)}")
    for key in ("address", *PATHS):
        if not isinstance(table.get(key, ""), str):
            raise _wrong(file, f"[{name}] {key} is text, in quotes")
    if not table.get("address"):
        raise _wrong(file, f'[{name}] lacks its address: address = "host:7654"')
    if not isinstance(table.get("tls", False), bool):
        raise _wrong(file, f"[{name}] tls is true or false")
    token_file, *tls = (_path(file, table.get(key, "")) for key in PATHS)
    return Profile(name, table["address"], token_file, tls_of(table.get("tls", False), *tls))


def _path(file: Path, said: str) -> str:
    return str(file.parent / Path(said).expanduser()) if said else ""


def _wrong(file: Path, what: str) -> InvalidArgument:
    return InvalidArgument(f"{file}: {what}", reason="PROFILES_INVALID")
