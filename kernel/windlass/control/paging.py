"""Page tokens: opaque, bound to the list they belong to, and checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from windlass.errors import BadPageToken, InvalidArgument

LARGEST_PAGE = 1_000
LARGEST_MESSAGE = 4 * 1024 * 1024
"""Bytes that the server takes."""
LARGEST_REPLY = 2 * 1024 * 1024
"""Bytes; clients take 4 MiB unless told otherwise."""

R = TypeVar("R")


class _Token(msgspec.Struct, array_like=True, frozen=True):
    list: str
    after: Any


def page_size(asked: int, default: int) -> int:
    """The size to use: 0 means the default, too large is cut, negative is refused."""
    if asked < 0:
        raise InvalidArgument(f"page_size must not be negative, and is {asked}", field="page_size")
    return min(asked or default, LARGEST_PAGE)


async def bounded(read: Callable[[int], Awaitable[R]], size: int) -> R:
    """The page `read` gives, read again with fewer items when it is more than a client takes."""
    while True:
        reply: Any = await read(size)
        if size == 1 or reply.ByteSize() <= LARGEST_REPLY:
            return reply  # type: ignore[no-any-return]
        size //= 2


def write_token(list_: str, after: tuple[Any, ...] | None) -> str:
    """The token of the next page of this list (its name and filter); empty at the end."""
    if after is None:
        return ""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(_Token(list_, after))).decode().rstrip("=")


def read_token(list_: str, token: str, types: Any) -> Any:
    """The place a token leads to, as `types` (a tuple type); None for the first page."""
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        found = msgspec.msgpack.decode(raw, type=_Token)
        if found.list == list_:
            return msgspec.convert(found.after, types)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        pass
    raise BadPageToken("page_token is not one that this list gave out; start again without it", field="page_token")
