"""The plugins that have something to show: operations, or a section of the overview.  It asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windlass_client import Operation, Section

from windlass_console.results import schema_of

if TYPE_CHECKING:
    from windlass_console.live import Live

OWN_PAGES = {"entities": "/entities", "buffer": "/buffer"}
"""Plugins with a view: their pages are found here too."""
BRIEF = ("buffer",)
"""Their views show what stands in the lines, so only those that alarm are repeated."""
LABELS = {"scripts": "Scripts: confinement"}
"""Where another page has the name already."""
COUNTING = "count"
DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True)
class PluginPage:
    """What is known of a plugin; `operations` by name."""

    name: str
    section: Section | None
    operations: tuple[Operation, ...]

    @property
    def label(self) -> str:
        return LABELS.get(self.name) or (self.section.title if self.section else self.name.capitalize())

    @property
    def path(self) -> str:
        return OWN_PAGES.get(self.name, f"/plugins/{self.name}")

    @property
    def is_brief(self) -> bool:
        return self.name in BRIEF and bool(self.operations)

    @property
    def reads(self) -> list[Operation]:
        return [each for each in self.operations if not each.writes]

    @property
    def writes(self) -> list[Operation]:
        return [each for each in self.operations if each.writes]

    def operation(self, name: str) -> Operation | None:
        """By its name in the plugin."""
        return next((each for each in self.operations if each.name == f"{self.name}.{name}"), None)

    def counting(self, operation: Operation) -> Operation | None:
        """The one that says how many it is about: `count`, when it takes the same argument."""
        found = self.operation(COUNTING)
        if found is None or found.writes or not operation.writes:
            return None
        return found if schema_of(found.argument_schema) == schema_of(operation.argument_schema) else None


def plugins_of(live: Live) -> list[PluginPage]:
    """By name."""
    sections = {each.name: each for each in live.picture.sections} if live.picture else {}
    names = {each.name.partition(".")[0] for each in live.operations} | set(sections)
    return [plugin_of(live, name) for name in sorted(names)]


def plugin_of(live: Live, name: str) -> PluginPage:
    """It has neither section nor operations when there is no such plugin."""
    sections = live.picture.sections if live.picture else ()
    section = next((each for each in sections if each.name == name), None)
    return PluginPage(name, section, tuple(each for each in live.operations if each.name.startswith(f"{name}.")))
