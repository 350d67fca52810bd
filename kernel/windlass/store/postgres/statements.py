"""SQL is a file: one statement each, named parameters, a first comment with its invariant."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import LiteralString, cast


@cache
def sql(name: str) -> LiteralString:
    """The statement in `sql/<name>.sql`.  Trusted text: it ships with the package and nothing is ever spliced into it."""
    return cast(LiteralString, files(__package__).joinpath("sql", f"{name}.sql").read_text("utf-8"))
