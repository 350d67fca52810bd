"""SQL is a file: one statement each, named parameters, a first comment with its invariant."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def sql(name: str) -> LiteralString:
    """The statement in `sql/<name>.sql`: trusted text that ships with the package; nothing is ever spliced into it."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text("utf-8")
