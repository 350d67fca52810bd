"""The names of a new plugin: its distribution, its package, its kind; and which ones will not do."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.metadata import packages_distributions

import msgspec

from windlass.scaffold.errors import BadName

FITS = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 50
TAKEN = {"windlass", "tests", "test"}


class Names(msgspec.Struct, frozen=True):
    """`acme-notes`: the distribution and section acme-notes, the package acme_notes, the kind AcmeNotes."""

    name: str
    package: str
    kind: str


def names_of(name: str) -> Names:
    """Raises `BadName` with what to take instead."""
    if not FITS.fullmatch(name) or len(name) > LONGEST:
        fitting = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()).strip("-0123456789")
        hint = f"; {fitting[:LONGEST].strip('-')} would do" if fitting else ""
        raise BadName(f"{name!r} is no name: use at most {LONGEST} small letters, digits and single dashes{hint}")
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or keyword.issoftkeyword(package) or package in sys.stdlib_module_names:
        raise BadName(f"{name} is a word of Python's own; my-{name} would do")
    if package in TAKEN or package in packages_distributions():
        raise BadName(f"a package {package} is there already; my-{name} would do")
    return Names(name, package, "".join(word.capitalize() for word in name.split("-")))
