"""What operators do with the library: save, list, show, versions, delete, each an operation of the plugin."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from windlass import DocumentChanged, Operation, OperationCall, Rejected, Role

from windlass_scripts.command import find_interpreter
from windlass_scripts.confinement.levels import Level, LimitsAsked, level_of, limits_of
from windlass_scripts.library import PLACE, Script, Version, check_name, find
from windlass_scripts.parameters import Parameter
from windlass_scripts.settings import ScriptsSettings

_Expected = Annotated[
    Annotated[int, Meta(ge=0)] | None,
    Meta(description="Refuse unless this is the newest version; 0: it must not exist yet."),
]


class Save(Script, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A script, and optionally the version it was made of."""

    expected: _Expected = None


class Saved(msgspec.Struct, frozen=True):
    name: str
    version: int


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which scripts: those whose names begin with `prefix`, behind the name `after`."""

    prefix: Annotated[str, Meta(description="Only names that begin so.")] = ""
    after: Annotated[str, Meta(description="The last name of the page before.")] = ""
    limit: Annotated[int, Meta(ge=1, le=100, description="At most so many.")] = 100


class Line(msgspec.Struct, frozen=True):
    """A script in a list."""

    name: str
    version: int
    interpreter: str
    description: str
    parameters: str
    """Their names; one that is required with a `*`."""
    stored_at: datetime
    by: str


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description="The name of the script.")]
    version: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Which; the newest when left out.")] = None


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description="The name of the script.")]


class Shown(msgspec.Struct, frozen=True):
    """One version of a script, whole."""

    name: str
    version: int
    interpreter: str
    description: str
    parameters: list[Parameter]
    secrets: dict[str, str]
    timeout: float | None
    exit_codes: dict[str, str]
    confinement: Level | None
    limits: LimitsAsked | None
    text: str
    stored_at: datetime
    by: str


class Doomed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description="The name of the script.")]
    expected: _Expected = None


class Deleted(msgspec.Struct, frozen=True):
    name: str


class LibraryOperations:
    """The five of them, for the settings of this node."""

    def __init__(self, settings: ScriptsSettings) -> None:
        self._settings = settings

    def all(self) -> list[Operation]:
        return [
            Operation("save", "Save a script", _SAVE, self.save, Save, Saved),
            _reading("list", "List scripts", "The newest version of each, by name.", listed, Page, list[Line]),
            _reading("show", "Show a script", "One version, with its text.", show, Which, Shown),
            _reading("versions", "List versions", "The newest first.", versions, Named, list[Line]),
            Operation("delete", "Delete a script", _DELETE, delete, Doomed, Deleted),
        ]

    async def save(self, call: OperationCall, argument: Save) -> Saved:
        find_interpreter(argument.interpreter, self._settings, must_be_here=False)
        limit = self._settings.timeout_max
        if argument.timeout is not None and argument.timeout > limit:
            raise Rejected(f"timeout: {argument.timeout:g} s is more than the {limit:g} s allowed; ask for less")
        level = level_of(argument.confinement, self._settings.confinement, self._settings.confinement_least)
        limits_of(argument.limits, level, self._settings.limits, self._settings.limits_max)
        value = {name: kept for name, kept in msgspec.to_builtins(argument).items() if name != "expected"}
        try:
            version = await call.documents.put(
                PLACE + argument.name, value, expected=argument.expected, keep=self._settings.library_versions
            )
        except DocumentChanged as error:
            raise Rejected(f"expected: {argument.name} was saved by somebody else meanwhile: {error}") from None
        except ValueError as error:
            raise Rejected(f"text: too much for one script: {error}") from None
        return Saved(argument.name, version)


def _reading(name: str, title: str, description: str, run: Any, argument: Any, result: Any) -> Operation:
    return Operation(name, title, description, run, argument, result, role=Role.VIEWER, writes=False)


_SAVE = "Stores a new version. Tasks that run it by name use it from their next start; name@version stays as it is."
_DELETE = "Removes all its versions. Tasks that name it fail when they start."


async def listed(call: OperationCall, argument: Page) -> list[Line]:
    after = PLACE + argument.after if argument.after else ""
    found = await call.documents.list(PLACE + argument.prefix, after, argument.limit)
    return [_line(Version(msgspec.convert(document.value, Script), document)) for document in found]


async def show(call: OperationCall, argument: Which) -> Shown:
    _check_named(argument.name)
    found = await find(call.documents, argument.name, argument.version)
    script, document = found.script, found.document
    kept = {name: getattr(script, name) for name in Shown.__struct_fields__ if hasattr(script, name)}
    return Shown(**kept, version=document.version, stored_at=document.stored_at, by=document.by)


async def versions(call: OperationCall, argument: Named) -> list[Line]:
    _check_named(argument.name)
    newest = await find(call.documents, argument.name, None)
    lines = [_line(newest)]
    for version in range(newest.document.version - 1, 0, -1):
        document = await call.documents.get(PLACE + argument.name, version)
        if document is None:  # versions go from the oldest on
            break
        lines.append(_line(Version(msgspec.convert(document.value, Script), document)))
    return lines


async def delete(call: OperationCall, argument: Doomed) -> Deleted:
    _check_named(argument.name)
    try:
        existed = await call.documents.delete(PLACE + argument.name, expected=argument.expected)
    except DocumentChanged as error:
        raise Rejected(f"expected: {argument.name} was saved by somebody else meanwhile: {error}") from None
    if not existed:
        raise Rejected(f"name: there is no script {argument.name!r}")
    return Deleted(argument.name)


def _check_named(name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise Rejected(str(error)) from None


def _line(found: Version) -> Line:
    script, document = found.script, found.document
    names = ", ".join(each.name + "*" * each.required for each in script.parameters)
    about = (script.interpreter, script.description, names)
    return Line(script.name, document.version, *about, document.stored_at, document.by)
