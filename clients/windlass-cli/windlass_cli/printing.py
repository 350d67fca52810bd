"""Prints what a command found or did, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from windlass_cli import documents
from windlass_cli.harmless import one_line
from windlass_cli.options import Format

if TYPE_CHECKING:
    from windlass_cli.forms import Form

T = TypeVar("T")
PAGE = 1000


async def take(items: AsyncGenerator[T, None], count: int) -> list[T]:
    """The first `count`, 0 means all; no page is fetched beyond them."""
    taken: list[T] = []
    async with aclosing(items) as each:
        async for item in each:
            taken.append(item)
            if len(taken) == count:
                break
    return taken


def page_size(limit: int) -> int:
    """So that one call brings what `limit` needs and the one more that tells whether there is more."""
    return min(limit + 1, PAGE) if limit else PAGE


async def print_some(items: AsyncGenerator[T, None], limit: int, form: Form[T], output: Format) -> None:
    """The first `limit` of a list that may be long, 0 means all; with a word on stderr when there are more."""
    things = await take(items, limit + 1 if limit else 0)
    print_list(things[:limit] if limit else things, form, output)
    if limit and len(things) > limit:
        print("… and more; --limit shows them", file=sys.stderr)


def print_list(things: Sequence[T], form: Form[T], output: Format) -> None:
    """All of a list."""
    if not output.for_people:
        documents.print_documents([form.document(thing) for thing in things], output)
        return
    if not things:
        print(form.empty, file=sys.stderr)
        return
    from windlass_cli.tables import print_table

    print_table(things, form.columns, wide=output is Format.wide)


def print_one(thing: T, form: Form[T], output: Format) -> None:
    """One thing with all that is known of it."""
    if not output.for_people:
        documents.print_document(form.document(thing), output)
        return
    from windlass_cli.tables import print_fields

    print_fields(thing, form.columns)


def print_done(said: str, document: dict[str, Any], output: Format) -> None:
    """What a command did: one line for people, the thing it was done to for programs."""
    if output.for_people:
        print(one_line(said))
    else:
        documents.print_document(document, output)
