"""What a list is asked for: its filter, its order, and the name that its page tokens are bound to."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from windlass.control.paging import read_token, write_token
from windlass.core.fields import Fields, Type
from windlass.core.filters import Filter, parse_filter
from windlass.core.orders import Order, parse_order

HELD: dict[Type, Any] = {
    Type.TEXT: str,
    Type.NUMBER: int | None,
    Type.TIME: datetime | None,
    Type.DURATION: float | None,
    Type.CHOICE: int,
    Type.ENTRY: int | None,
}
"""What a page token holds of a field that a list is sorted by."""


class Listing(msgspec.Struct, frozen=True):
    """`own_place` is what its tokens hold in the list's own order, a tuple type."""

    name: str
    filter: Filter
    order: Order
    own_place: Any

    def place(self, token: str) -> Any:
        """Where a page token leads to; None for the first page.  Raises `BadPageToken`."""
        return read_token(self.name, token, self._place_type())

    def token(self, after: tuple[Any, ...] | None) -> str:
        """The token of the next page; empty at the end."""
        return write_token(self.name, after)

    def _place_type(self) -> Any:
        if not self.order.terms:
            return self.own_place
        return tuple[tuple(HELD[term.field.type] for term in self.order.terms)]  # type: ignore[misc]


def listing(name: str, fields: Fields, own_place: Any, filter: str, order_by: str = "") -> Listing:
    """Raises `FilterInvalid` or `OrderInvalid`."""
    chosen, order = parse_filter(filter, fields), parse_order(order_by, fields)
    if chosen.text or order.text:
        name = f"{name} {hashlib.sha256(repr((chosen.text, order.text)).encode()).hexdigest()[:24]}"
    return Listing(name, chosen, order, own_place)
