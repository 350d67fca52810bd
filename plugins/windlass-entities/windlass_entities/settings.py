"""`[plugins.entities]` in windlass.toml: where feeds come from, and where their pages are kept.  Times are seconds."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from windlass_entities.health import Thresholds

PATHS = ("root", "feeds", "catalogue", "countries", "asns")
A_DAY = 86_400
LIMITS = {
    "grace": (0, A_DAY),
    "rescan": (1, A_DAY),
    "calm": (0, 3_600),
    "recheck_pause": (0, A_DAY),
    "check_every": (1, 366 * A_DAY),
    "health_every": (1, 366 * A_DAY),
    "deferred_limit": (1, 10_000_000),
}


class EntitiesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without `feeds` nothing is maintained.  All paths are absolute, and mean the same on every server."""

    feeds: str = ""
    """The folder of the lists: `<feed>.netset`, `.ipset` or `.txt`."""

    catalogue: str = ""
    """A JSON file that names the feeds.  One that is not in it is not maintained."""

    countries: str = ""
    """The table of addresses and countries: CSV of ranges (also `.gz`), or MMDB."""

    asns: str = ""
    """The same of addresses and autonomous systems."""

    root: str = ""
    """Where the pages are published.  Windlass alone writes there."""

    sample: str = ""
    """To try it: a folder into which a small sample of real lists is put, with the pages beside it.  Sets the paths."""

    thresholds: Thresholds = Thresholds()
    grace: float = 60.0
    """How long a generation that was replaced stays readable."""

    watch: bool = True
    rescan: float = 60.0
    """The watcher looks at all files by itself, so often: a notification is only a hint."""

    calm: float = 0.5
    """A file that changes is taken once it has stayed as it is for so long."""

    check_every: float = 3_600.0
    """The whole tree is read and hashed, and repaired where it is wrong."""

    health_every: float = 3_600.0
    """Health classes follow the clock."""

    recheck_pause: float = 30.0
    """Between two looks at a file that can't be taken."""

    deferred_limit: int = 1_024
    """With more to be repaired than that, nothing is repaired unless somebody asks."""

    pool: str = "maintenance"
    feeds_pool: str = "feeds"
    watchers_pool: str = "watchers"

    def __post_init__(self) -> None:
        self._check_paths()
        for name, (least, most) in LIMITS.items():
            # Written so that nan is refused as well.
            if not least <= (number := getattr(self, name)) <= most:
                raise ValueError(f"{name} must be from {least:,} to {most:,}, not {number:g}")
        for name in ("pool", "feeds_pool", "watchers_pool"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: name a pool, or leave it out")

    def _check_paths(self) -> None:
        if self.sample and self.feeds:
            raise ValueError("sample and feeds exclude each other: sample brings feeds of its own")
        if self.feeds and (missing := [name for name in PATHS if not getattr(self, name)]):
            raise ValueError(f"{', '.join(missing)}: set beside feeds; each is an absolute path")
        for name in (*PATHS, "sample"):
            if (path := getattr(self, name)) and not os.path.isabs(path):
                raise ValueError(f"{name} must be an absolute path, not {path!r}")
        if self.feeds and _overlap(self.root, self.feeds):
            raise ValueError("root and feeds must not lie within each other: what is published is no feed")

    @property
    def is_configured(self) -> bool:
        return bool(self.feeds)


def _overlap(one: str, other: str) -> bool:
    first, second = Path(os.path.normpath(one)), Path(os.path.normpath(other))
    return first.is_relative_to(second) or second.is_relative_to(first)
