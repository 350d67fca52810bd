"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list.  `next_page_token` is empty on the last page, and only there."""

    items: tuple[T, ...]
    next_page_token: str


async def all_items(page: Callable[[str], Awaitable[Page[T]]]) -> AsyncGenerator[T, None]:
    """Everything on every page, each page fetched when it is needed."""
    token = ""
    while True:
        fetched = await page(token)
        for item in fetched.items:
            yield item
        if not (token := fetched.next_page_token):
            return
