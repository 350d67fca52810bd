"""The library: scripts that are kept by name, each with its versions, and run by `cleanup` or `cleanup@3`."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta
from windlass import Document, Documents, Rejected

from windlass_scripts.confinement.levels import Level, LimitsAsked
from windlass_scripts.exits import Meaning, check_exit_codes
from windlass_scripts.parameters import Parameter, check_parameters
from windlass_scripts.secret_files import check_secrets
from windlass_scripts.texts import check_text

LARGEST = 200 * 1024
"""Bytes of a script's text: with all else it has to fit into a document."""

PLACE = "library/"
"""What the names of our documents begin with."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_REFERENCE = re.compile(r"(?P<name>[^@]+)(@(?P<version>[1-9][0-9]{0,8}))?\Z")


class Script(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a script.  Raises ValueError, naming the field, for what can never run."""

    name: Annotated[str, Meta(description="Letters, digits, . _ and -; what tasks name.")]
    text: Annotated[str, Meta(description="The script itself.")]
    interpreter: Annotated[str, Meta(description="Which allowed interpreter reads it.")] = "sh"
    description: Annotated[str, Meta(max_length=4000, description="What it does, for people.")] = ""
    parameters: Annotated[list[Parameter], Meta(description="What it may be told, by name and type.")] = []
    secrets: Annotated[
        dict[str, str], Meta(description="Secrets handed over by descriptor: name → place below secrets_directory.")
    ] = {}
    timeout: Annotated[Annotated[float, Meta(gt=0)] | None, Meta(description="Seconds until it is stopped.")] = None
    exit_codes: Annotated[
        dict[str, Meaning], Meta(description='What exit codes mean: {"3": "retry", "4-9": "failed"}.')
    ] = {}
    confinement: Annotated[Level | None, Meta(description="How tightly it is held; a task may only tighten it.")] = None
    limits: Annotated[LimitsAsked | None, Meta(description="Limits for it, from 'confined' upwards.")] = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.text.strip():
            raise ValueError("text: is empty; send the script")
        check_text("text", self.text, LARGEST)
        check_parameters(self.parameters)
        check_exit_codes(self.exit_codes)
        check_secrets("secrets", self.secrets)
        for parameter in self.parameters:
            if parameter.secret and parameter.name.upper() in self.secrets:
                raise ValueError(f"secrets.{parameter.name.upper()}: a parameter has that name too; rename one")
        if self.timeout is not None and not self.timeout < float("inf"):
            raise ValueError("timeout: give a number of seconds, or leave it out")


class Version(msgspec.Struct, frozen=True):
    """A script as it was found."""

    script: Script
    document: Document

    @property
    def reference(self) -> str:
        return f"{self.script.name}@{self.document.version}"


def check_name(name: str) -> None:
    """ValueError when no script can be called so."""
    if not _NAME.match(name):
        raise ValueError(
            f"name: {name[:100]!r} can't be the name of a script; use letters, digits, . _ and -, up to 100, not"
            " starting with a sign"
        )


def read_reference(reference: str) -> tuple[str, int | None]:
    """`cleanup@3` → ("cleanup", 3), `cleanup` → ("cleanup", None).  ValueError when it is neither."""
    match = _REFERENCE.match(reference)
    if not match or not _NAME.match(match["name"]):
        raise ValueError(
            f"library: {reference[:100]!r} names no script; give its name, or name@version, like cleanup@3"
        )
    return match["name"], int(match["version"]) if match["version"] else None


async def find(documents: Documents, name: str, version: int | None) -> Version:
    """The newest version of a script, or the one named.  Raises Rejected, and says which there is, without one."""
    document = await documents.get(PLACE + name, version)
    if document is not None:
        return Version(msgspec.convert(document.value, Script), document)
    newest = None if version is None else await documents.get(PLACE + name)
    if newest is None:
        raise Rejected(f"library: there is no script {name!r}; see the operation scripts.list for those there are")
    raise Rejected(f"library: {name} has no version {version} (any more); the newest is {newest.version}")
