"""How a plugin declares its configuration section and reads it back, typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

S = TypeVar("S")


class Section(msgspec.Struct, frozen=True):
    """`[plugins.<name>]` in windlass.toml, decoded into `type`: a msgspec.Struct whose fields all have defaults."""

    name: str
    type: type[msgspec.Struct]


class Settings:
    """The decoded sections of all plugins; each reads its own by type."""

    def __init__(self, sections: Mapping[type[msgspec.Struct], msgspec.Struct]) -> None:
        self._sections = dict(sections)

    def of(self, wanted: type[S]) -> S:
        """The section declared with this type.  KeyError when the plugin never declared it."""
        section = self._sections[wanted]  # type: ignore[index]
        assert isinstance(section, wanted)
        return section
