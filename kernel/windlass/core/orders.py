"""Orders: what a list is sorted by (AIP-132), `create_time desc, priority`."""

from __future__ import annotations

import msgspec

from windlass.core.fields import Field, Fields, Type, nearest
from windlass.errors import OrderInvalid

LONGEST = 500
MOST_TERMS = 5


class Term(msgspec.Struct, frozen=True):
    """What is unset comes after everything else, and before it in a descending order."""

    field: Field
    is_descending: bool = False


class Order(msgspec.Struct, frozen=True):
    """A total order: the last term is the id.  Without terms it is the list's own, whatever `text` says."""

    text: str = ""
    terms: tuple[Term, ...] = ()


OWN = Order()
"""A list's own order."""


def parse_order(text: str, fields: Fields) -> Order:
    """What a list of these fields is sorted by; ends with the id, in the direction of the last term.

    Raises `OrderInvalid`.
    """
    if len(text) > LONGEST:
        raise OrderInvalid(f"order_by has {len(text)} characters; at most {LONGEST} are read", field="order_by")
    if not text.strip():
        return OWN
    asked = text.split(",")
    if len(asked) > MOST_TERMS:
        raise OrderInvalid(f"order_by names {len(asked)} fields; at most {MOST_TERMS} are taken", field="order_by")
    terms: list[Term] = []
    for term in (_term(one, fields) for one in asked):
        if any(term.field is before.field for before in terms):
            raise OrderInvalid(f"order_by names {term.field.name} twice", field="order_by")
        terms.append(term)
        if term.field.name == "id":
            return Order(text, tuple(terms))
    return Order(text, (*terms, Term(fields.by_name["id"], terms[-1].is_descending)))


def _term(asked: str, fields: Fields) -> Term:
    words = asked.split()
    if not words or len(words) > 2 or words[1:] not in ([], ["desc"], ["asc"]):
        raise OrderInvalid(
            f"{asked!r} is no field of order_by: write fields with an optional desc, as in `create_time desc, id`",
            field="order_by",
        )
    name = "id" if words[0] == "name" else words[0]
    field, known = fields.by_name.get(name), sorted(name for name, one in fields.by_name.items() if one.has_order)
    if field is None or field.type in (Type.LABELS, Type.JSON):
        raise OrderInvalid(
            f"{fields.entries} can't be sorted by {name!r}{nearest(name, known)}; they can by {', '.join(known)}",
            field="order_by",
        )
    return Term(field, words[1:] == ["desc"])
