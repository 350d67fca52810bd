"""Which dead letters are meant: by id, all of them, or those that match.  It decides on paper."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from windlass import Rejected

from windlass_buffer.dead_letters import Letter

MOST_IDS = 1_000

Site = Annotated[str, Meta(description="Of this site; empty: of every site.")]
Span = Annotated[float, Meta(ge=0)] | None


class Matching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left empty matches everything."""

    site: Site = ""
    endpoint: Annotated[str, Meta(description="Of this endpoint, exactly.")] = ""
    key: Annotated[str, Meta(description="Of this ordering key, exactly.")] = ""
    error: Annotated[str, Meta(description="With this in the error, in capitals or not.")] = ""
    older_than: Annotated[Span, Meta(description="Dead for at least so many seconds.")] = None
    younger_than: Annotated[Span, Meta(description="Dead for at most so many seconds.")] = None

    def fits(self, letter: Letter, now: float) -> bool:
        """`now`: seconds since 1970."""
        age = now - letter.when
        return (
            (not self.endpoint or letter.endpoint == self.endpoint)
            and (not self.key or letter.key == self.key)
            and self.error.casefold() in letter.error.casefold()
            and (self.older_than is None or age >= self.older_than)
            and (self.younger_than is None or age <= self.younger_than)
        )

    @property
    def is_open(self) -> bool:
        """It matches everything."""
        return not (self.endpoint or self.key or self.error) and self.older_than is None and self.younger_than is None


class Chosen(Matching, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ids`, or `all`, or what matches; nothing chosen is refused, so that nobody means all by accident."""

    ids: Annotated[list[str], Meta(max_length=MOST_IDS, description="These; with nothing else but the site.")] = []
    all: Annotated[bool, Meta(description="All there are.")] = False
    dry_run: Annotated[bool, Meta(description="Only count them, as `remaining`.")] = False

    def check(self) -> None:
        """Raises `Rejected` when it does not say which."""
        said = [bool(self.ids), self.all, not self.is_open]
        if sum(said) != 1:
            how = "ids, all, or one of endpoint, key, error, older_than, younger_than"
            raise Rejected(f"say which dead letters: {how}; and only one of the three")

    def fits(self, letter: Letter, now: float) -> bool:
        return letter.id in self.ids if self.ids else super().fits(letter, now)
